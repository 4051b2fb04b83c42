/*
 * Fuzzes the command lines of both helpers in this process. A command line is the input cut at each zero byte.
 *
 *   clang:  -fsanitize=fuzzer,address,undefined       then: parse [corpus]
 *   others: -DSTANDALONE -fsanitize=address,undefined then: parse SECONDS [corpus]   random changes of the corpus
 *
 * -DPROGRAM=1: xsrc-mount (args.c), 2: xsrc-chroot. The programs end by _exit; here that is a jump back. So the
 * sources are read into this one, where _exit means that.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static jmp_buf ended;
static void end_here(int code) __attribute__((noreturn));
static void end_here(int code)
{
	longjmp(ended, code ? code : 1);
}

static ssize_t say_nothing(int fd, const void *text, size_t length)
{
	volatile unsigned sum = (unsigned)fd;

	for (size_t i = 0; i < length; i++) /* every byte of a message must be there */
		sum += ((const unsigned char *)text)[i];
	return (ssize_t)length;
}

#define _exit(code) end_here(code)
#define write(fd, text, length) say_nothing(fd, text, length)
#include "priv.c"
#if PROGRAM == 1
#include "args.c"
const char self[] = "xsrc-mount";
static void once(char **argv, size_t words)
{
	memset(&opt, 0, sizeof opt);
	strcpy(opt.size, "1024m");
	strcpy(opt.inodes, "262144");
	parse(argv);
	/* what main relies on after it returned */
	size_t left = 0, layers = 0;
	while (argv[left])
		left++;
	if (left > words || left < 4 || opt.n_items > MAX_ITEMS || opt.n_layers > MAX_LAYERS || !opt.root || *opt.root != '/')
		abort();
	if (strspn(opt.size, "0123456789") + 1 != strlen(opt.size) || opt.size[strlen(opt.size) - 1] != 'm')
		abort(); /* R20 */
	if (strspn(opt.inodes, "0123456789") != strlen(opt.inodes) || strtoul(opt.inodes, NULL, 10) != 256 * strtoul(opt.size, NULL, 10))
		abort(); /* R49 */
	if (opt.report < 0 || opt.report > 9999999)
		abort();
	for (size_t i = 0; i < opt.n_items; i++) {
		const struct item *const it = &opt.items[i];
		layers += it->count;
		if (!it->dst || *it->dst == '/' || (it->kind != 'o') != (it->src && *it->src == '/'))
			abort();
	}
	if (layers != opt.n_layers)
		abort();
	size_t end = 1;
	while (strcmp(argv[end], "--"))
		end += !strcmp(argv[end], "-e") || !strcmp(argv[end], "-d") || !strcmp(argv[end], "-E") ? 2 : 1;
	if (strcmp(argv[end + 1], "/r") || *argv[end + 2] != '/')
		abort();
}
#else
#define main chroot_main
#include "filter.c"
#include "xsrc-chroot.c"
#undef main
static void once(char **argv, size_t words)
{
	const struct options o = parse(argv);
	size_t count = 0;

	while (o.env[count])
		if (!strchr(o.env[count++], '='))
			abort();
	if (count > words || !o.root || *o.root != '/' || !o.command || *o.command[0] != '/' || *o.workdir != '/' || o.report < 0)
		abort();
	(void)chroot_main;
}
#endif
#undef _exit

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t words = 1;
	char name[] = "helper";

	if (size > 1 << 16)
		return 0;
	for (size_t i = 0; i < size; i++)
		words += data[i] == 0;
	words += size > 0 && data[size - 1] != 0;
	/* as the kernel lays it out: each word ends by a zero; of exact size, so that one byte too far is seen */
	char *const text = malloc(size + 1), **const argv = malloc((words + 1) * sizeof *argv);
	if (!text || !argv)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	argv[0] = name;
	size_t n = 1;
	for (size_t at = 0; at < size && n < words; at += strlen(text + at) + 1)
		argv[n++] = text + at;
	argv[n] = NULL;
	if (!setjmp(ended))
		once(argv, n);
	free(text);
	free(argv);
	return 0;
}

#ifdef STANDALONE
enum { MAX = 4096 };
static struct { uint8_t data[MAX]; size_t size; } seeds[256];
static size_t n_seeds;

static void load(const char *folder)
{
	DIR *const d = opendir(folder);

	for (struct dirent *e; d && (e = readdir(d)) && n_seeds < 256;) {
		char path[4096];
		(void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		FILE *const f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		seeds[n_seeds].size = fread(seeds[n_seeds].data, 1, MAX, f);
		n_seeds++;
		fclose(f);
	}
	if (d)
		closedir(d);
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "-u", "-c", "-W", "-l", "-0", "-S", "-E", "-P", "-T", "-r", "-w", "-o", "-e", "-d", "--", "-", ".", "/", "A=b", "1", "3" };
	const time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 20);
	unsigned long runs = 0;

	if (argc > 2)
		load(argv[2]);
	srandom(1);
	for (; time(NULL) < until; runs++) {
		uint8_t data[2 * MAX];
		size_t size = 0;
		if (n_seeds) {
			const size_t s = (size_t)random() % n_seeds;
			size = seeds[s].size;
			memcpy(data, seeds[s].data, size);
		}
		for (long change = random() % 8; change >= 0; change--) {
			const size_t at = size ? (size_t)random() % size : 0;
			const char *const word = words[(size_t)random() % (sizeof words / sizeof *words)];
			const size_t length = strlen(word) + 1;
			switch (random() % 4) {
			case 0:
				if (size)
					data[at] = (uint8_t)random();
				break;
			case 1:
				if (size + length <= MAX) {
					memmove(data + at + length, data + at, size - at);
					memcpy(data + at, word, length);
					size += length;
				}
				break;
			case 2:
				if (size)
					memmove(data + at, data + at + 1, --size - at);
				break;
			default:
				size = at;
			}
		}
		LLVMFuzzerTestOneInput(data, size);
	}
	fprintf(stderr, "stat::number_of_executed_units: %lu\n", runs);
	return 0;
}
#endif
