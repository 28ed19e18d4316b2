/* LLVM ends the process on requests that it holds to be impossible (an operation that a processor's
 * features leave no way to do). Its handler cannot return either; so work that may come to that runs
 * here, and the handler jumps back out of LLVM. What LLVM had in hand then is lost memory, and the
 * module must not be touched again. */
#include "back/llvm/lower.h"

#include <llvm-c/ErrorHandling.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>

typedef struct {
    jmp_buf way_out;
    char text[400];
} Rescue;

/* LLVM hands its handler nothing but text: the way back must be found from the thread. */
static _Thread_local Rescue *rescue;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_fatal(const char *reason)
{
    if (!rescue)
        return; /* not in our hands: LLVM exits */
    snprintf(rescue->text, sizeof rescue->text, "%s", reason);
    longjmp(rescue->way_out, 1);
}

static void install(void) { LLVMInstallFatalErrorHandler(on_fatal); }

bool rescue_run(Arena *arena, void (*work)(void *), void *argument, const char **why)
{
    pthread_once(&once, install);
    Rescue here = { .text = "" };
    if (setjmp(here.way_out) == 0) {
        rescue = &here;
        work(argument);
        rescue = NULL;
        return true;
    }
    rescue = NULL;
    *why = arena_printf(arena, "LLVM gave up: %s", here.text);
    return false;
}
