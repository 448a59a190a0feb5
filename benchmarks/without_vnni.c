/* Hide VNNI and AMX from a process, so that its libraries choose the instructions of older processors.
 *
 * arch_prctl(ARCH_SET_CPUID, 0) makes CPUID raise SIGSEGV (Linux, processors with cpuid_fault in /proc/cpuinfo). The
 * handler executes the instruction and clears the bits. Load it with LD_PRELOAD; HIDE=2 hides AVX-512 as well.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(number) (1u << (number))

static int level;

static void answer(int signal_number, siginfo_t *information, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    unsigned char *instruction = (unsigned char *)registers[REG_RIP];
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, part, a, b, c, d);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && part == 0) {
        c &= ~BIT(11);                                     /* AVX512_VNNI */
        d &= ~(BIT(22) | BIT(24) | BIT(25));               /* AMX_BF16, AMX_TILE, AMX_INT8 */
        if (level > 1) {
            b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31));
            c &= ~(BIT(1) | BIT(6) | BIT(12) | BIT(14));
            d &= ~BIT(23);
        }
    }
    if (leaf == 7 && part == 1) {
        a &= ~(BIT(4) | BIT(5) | BIT(21));                 /* AVX_VNNI, AVX512_BF16, AMX_FP16 */
        d &= ~(BIT(4) | BIT(5) | BIT(10));                 /* AVX_VNNI_INT8, AVX_NE_CONVERT, AVX_VNNI_INT16 */
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    level = getenv("HIDE") ? atoi(getenv("HIDE")) : 1;
    sigaction(SIGSEGV, &action, NULL);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0)) perror("CPUID cannot be made to fault");
}
