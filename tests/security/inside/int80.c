/* The calls of the 32 bit ABI out of a 64 bit program: int $0x80 with i386 numbers; prints the result of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int call(int nr, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		: "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(int argc, char **argv)
{
	/* below 4 GB, or a 32 bit pointer cannot name it */
	char *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	const unsigned low = (unsigned)(unsigned long)page;

	if (page == MAP_FAILED || argc != 2)
		return 1;
	strcpy(page, "user");
	strncpy(page + 64, argv[1], 1024);
	printf("{\"getpid\": %d, ", call(20, 0, 0, 0, 0, 0) > 0);
	printf("\"add_key\": %d, ", call(286, low, low + 64, low, 4, (unsigned)-2));
	printf("\"request_key\": %d, ", call(287, low, low + 64, 0, 0, 0));
	printf("\"keyctl\": %d, ", call(288, 10, (unsigned)-4, low, low + 64, 0));
	printf("\"tiocsti\": %d}\n", call(54, 0, 0x5412, low, 0, 0));
	return 0;
}
