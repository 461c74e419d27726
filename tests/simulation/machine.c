/* The machine under the simulation: its clocks, its randomness, and the wait for what comes next.
 *
 * Loaded before the C library (LD_PRELOAD) into a process that runs one seed. Time stands still
 * while anything can run, and jumps to the next timer when nothing can. Randomness is the seed's.
 * So hash maps, ids, jitter, tokio's `select!`, caches and clocks of the real code are the same in
 * each run, and the code need not know.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* Nanoseconds since the process began. Only the main thread changes them. */
static int64_t passed;
/* What the two clocks show at the beginning: 2026-01-01, and an hour after the machine started. */
static const int64_t wall = 1767225600 * SECOND;
static const int64_t monotonic = 3600 * SECOND;

/* The wall clock jumps as an operator sets it: SIMULATION_JUMPS is a list of `AT:BY,`, in
 * milliseconds since the process began. */
static int64_t wall_now(void) {
  static struct { int64_t at, by; } jumps[8];
  static int known = -1;
  if (known < 0) {
    known = 0;
    char *text = getenv("SIMULATION_JUMPS");
    while (text && *text && known < 8) {
      jumps[known].at = strtoll(text, &text, 10) * (SECOND / 1000);
      if (*text == ':') text++;
      jumps[known++].by = strtoll(text, &text, 10) * (SECOND / 1000);
      if (*text == ',') text++;
    }
  }
  int64_t now = wall + passed;
  for (int jump = 0; jump < known; jump++)
    if (passed >= jumps[jump].at) now += jumps[jump].by;
  return now;
}

/* SQLite's thread and the main one take turns: on one processor that is fastest. */
__attribute__((constructor)) static void stay_on_one_processor(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
}

static int is_main_thread(void) {
  return syscall(SYS_gettid) == getpid();
}

static struct timespec of_nanoseconds(int64_t nanoseconds) {
  struct timespec time = {nanoseconds / SECOND, nanoseconds % SECOND};
  return time;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  switch (clock) {
  case CLOCK_REALTIME:
  case CLOCK_REALTIME_COARSE:
    *time = of_nanoseconds(wall_now());
    return 0;
  case CLOCK_MONOTONIC:
  case CLOCK_MONOTONIC_COARSE:
  case CLOCK_MONOTONIC_RAW:
  case CLOCK_BOOTTIME:
    *time = of_nanoseconds(monotonic + passed);
    return 0;
  default:
    return syscall(SYS_clock_gettime, clock, time);
  }
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  int64_t now = wall_now();
  time->tv_sec = now / SECOND;
  time->tv_usec = now % SECOND / 1000;
  return 0;
}

time_t time(time_t *to) {
  time_t now = wall_now() / SECOND;
  if (to) *to = now;
  return now;
}

/* Nothing can run before the next timer: it comes at once. */
int epoll_wait(int poll, struct epoll_event *events, int most, int milliseconds) {
  int is_simulated = is_main_thread() && milliseconds > 0;
  int at_once = is_simulated ? 0 : milliseconds;
  int found = syscall(SYS_epoll_pwait, poll, events, most, at_once, NULL, 8);
  if (is_simulated && found == 0) passed += milliseconds * (SECOND / 1000);
  return found;
}

/* SplitMix64. Other threads, which SQLite has, must not change what the main thread draws. */
static uint64_t draw(uint64_t *state) {
  uint64_t z = __atomic_add_fetch(state, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
  static uint64_t states[2];
  static int is_seeded;
  (void)flags;
  if (!is_seeded) {
    const char *seed = getenv("SIMULATION_SEED");
    states[0] = seed ? strtoull(seed, NULL, 10) : 0;
    states[1] = ~states[0];
    is_seeded = 1;
  }
  uint64_t *state = &states[is_main_thread() ? 0 : 1];
  for (size_t at = 0; at < length; at += 8) {
    uint64_t value = draw(state);
    memcpy((char *)buffer + at, &value, length - at < 8 ? length - at : 8);
  }
  return length;
}
