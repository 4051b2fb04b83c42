/* Makes system calls by int $0x80, i386 numbers: compat NR ARG... [-- NR ARG...]. An argument is a number, or a text after "s:".
 * Prints the results as a list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int call(const unsigned *a)
{
	int result;

	/* six arguments need ebp, which a frame may use: five are enough here */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(a[0]), "b"(a[1]), "c"(a[2]), "d"(a[3]), "S"(a[4]), "D"(a[5])
		: "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(int argc, char **argv)
{
	/* below 4 GB, or a 32 bit pointer cannot name it */
	char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (at == MAP_FAILED || argc < 2)
		return 1;
	printf("[");
	for (int i = 1; i < argc; i++) {
		unsigned a[6] = { 0 };
		for (int n = 0; i < argc && strcmp(argv[i], "--"); i++, n++) {
			if (n == 6)
				return 1;
			if (strncmp(argv[i], "s:", 2)) {
				a[n] = (unsigned)strtoul(argv[i], NULL, 0);
				continue;
			}
			a[n] = (unsigned)(unsigned long)at;
			strcpy(at, argv[i] + 2);
			at += (strlen(at) + 64) & ~63UL;
		}
		printf("%d%s", call(a), i < argc ? ", " : "]\n");
	}
	return 0;
}
