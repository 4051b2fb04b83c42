/*
 * filter.h - the seccomp filter of a build: the kernel keyring and the terminal's input queue are shut, and with fake_root
 * the calls that need root succeed without doing anything. It must know the compat ABI too: int $0x80 walks past a filter
 * that looks at native numbers only. All addresses are those of struct seccomp_data: nr, arch, ip, args[6].
 */
#ifndef FILTER_H
#define FILTER_H

#include "priv.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the low half of an argument is expected first"
#endif

enum { F_LOAD = 0x20, F_AND = 0x54, F_JEQ = 0x15, F_JSET = 0x45, F_JUMP = 0x05, F_RET = 0x06 };
enum { AT_NR = 0, AT_ARCH = 4, AT_ARG0 = 16 };
enum { K_TIOCSTI = 0x5412, K_TIOCLINUX = 0x541c, K_SECCOMP_FILTER = 2 };

static const uint32_t ALLOW = 0x7fff0000;
static const uint32_t ERRNO = 0x00050000; /* | error; 0 makes the call return success */

struct insn {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
};

struct program {
	unsigned short len;
	struct insn *insn;
};

struct abi {
	uint32_t arch;      /* AUDIT_ARCH_* */
	uint32_t other;     /* bit that marks another ABI under the same arch: x32 */
	uint16_t keys[3];   /* add_key, request_key, keyctl */
	uint16_t ioctl, mknod, mknodat;
	uint16_t fake[32];  /* chown and setuid families, ended by 0 */
};

#define UID16_32 16, 95, 182, 198, 207, 212, /* lchown fchown chown, then their 32 bit forms */ \
	23, 46, 70, 71, 81, 138, 139, 164, 170, /* setuid setgid setreuid setregid setgroups setfs{u,g}id setres{u,g}id */ \
	203, 204, 206, 208, 210, 213, 214, 215, 216 /* setreuid32 setregid32 setgroups32 setres{u,g}id32 set{u,g}id32 setfs* */

static const struct abi abis[] = {
#if defined(__x86_64__) && !defined(__ILP32__)
	{ 0xc000003e, 0x40000000, { 248, 249, 250 }, 16, 133, 259,
	  { 92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123 } },
	{ 0x40000003, 0, { 286, 287, 288 }, 54, 14, 297, { UID16_32, 298 } }, /* i386 */
#elif defined(__aarch64__)
	{ 0xc00000b7, 0, { 217, 218, 219 }, 29, 0, 33, { 54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159 } },
	{ 0x40000028, 0, { 309, 310, 311 }, 54, 14, 324, { UID16_32, 325 } }, /* arm EABI */
#else
#error "no system call table for this architecture"
#endif
};

static void put(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->len >= 256)
		die("filter too long", NULL, 0, NULL);
	p->insn[p->len++] = (struct insn){ code, yes, no, k };
}

static void answer(struct program *p, uint32_t nr, uint32_t action)
{
	put(p, F_JEQ, 0, 1, nr);
	put(p, F_RET, 0, 0, action);
}

/* mknod of a FIFO or a file needs no root and must work; a device is not made and nobody is told. */
static void fake_device(struct program *p, uint32_t nr, uint32_t mode_arg)
{
	put(p, F_JEQ, 0, 6, nr);
	put(p, F_LOAD, 0, 0, AT_ARG0 + 8 * mode_arg);
	put(p, F_AND, 0, 0, S_IFMT);
	put(p, F_JEQ, 1, 0, S_IFCHR);
	put(p, F_JEQ, 0, 1, S_IFBLK);
	put(p, F_RET, 0, 0, ERRNO);
	put(p, F_RET, 0, 0, ALLOW);
}

static void one_abi(struct program *p, const struct abi *a, bool fake_root)
{
	put(p, F_JEQ, 1, 0, a->arch);
	const unsigned short skip = p->len;
	put(p, F_JUMP, 0, 0, 0);
	put(p, F_LOAD, 0, 0, AT_NR);
	if (a->other) {
		put(p, F_JSET, 0, 1, a->other);
		put(p, F_RET, 0, 0, ERRNO | ENOSYS);
	}
	for (size_t i = 0; i < 3; i++)
		answer(p, a->keys[i], ERRNO | ENOSYS);
	if (fake_root) {
		for (size_t i = 0; a->fake[i]; i++)
			answer(p, a->fake[i], ERRNO);
		if (a->mknod)
			fake_device(p, a->mknod, 1);
		fake_device(p, a->mknodat, 2);
	}
	/* The kernel takes the ioctl number as unsigned int: a filter that compares 64 bits is walked past with bit 32. */
	put(p, F_JEQ, 0, 5, a->ioctl);
	put(p, F_LOAD, 0, 0, AT_ARG0 + 8 * 1);
	put(p, F_JEQ, 1, 0, K_TIOCSTI);
	put(p, F_JEQ, 0, 1, K_TIOCLINUX);
	put(p, F_RET, 0, 0, ERRNO | EPERM);
	put(p, F_RET, 0, 0, ALLOW);
	put(p, F_RET, 0, 0, ALLOW);
	p->insn[skip].k = (uint32_t)(p->len - skip - 1);
}

static void install_filter(bool fake_root)
{
	struct insn insn[256];
	struct program p = { 0, insn };

	put(&p, F_LOAD, 0, 0, AT_ARCH);
	for (size_t i = 0; i < sizeof abis / sizeof *abis; i++)
		one_abi(&p, &abis[i], fake_root);
	put(&p, F_RET, 0, 0, ERRNO | ENOSYS);
	if (prctl(PR_SET_SECCOMP, (unsigned long)K_SECCOMP_FILTER, &p, 0L, 0L) < 0)
		die("seccomp", NULL, errno, NULL);
}

#endif
