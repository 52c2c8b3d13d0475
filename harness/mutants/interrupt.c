/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs that show only if a signal comes while the call runs. Signals are held back during the real
 * call, as in a kernel that looks for them by itself, and delivered when it returns: by then the
 * mutant knows whether one came, and has done its damage. What nobody can hold back is SIGKILL and
 * SIGSTOP.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "hands.h"

/** struct met - a call, and what its destination held before */
struct met {
	struct call *call;
	/** @at, @size: where the destination is written, and its size before */
	uint64_t at, size;
	struct kept old;
	long ret;
};

/* What the call itself may raise is not what interrupts it. */
static void outside_signals(sigset_t *set)
{
	sigfillset(set);
	sigdelset(set, SIGXFSZ);
	sigdelset(set, SIGPIPE);
}

static bool pending(const sigset_t *held)
{
	sigset_t now;

	sigpending(&now);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&now, sig) == 1 && sigismember(held, sig) == 0)
			return true;
	return false;
}

/* The real call; then the damage, if a signal came and the call has done something. */
static long if_met(struct call *c, uint64_t at, uint64_t len, void (*damage)(struct met *m))
{
	struct met m = { .call = c, .at = at };
	sigset_t outside, held;
	int err;

	outside_signals(&outside);
	sigprocmask(SIG_BLOCK, &outside, &held);
	m.size = size_of(c->to);
	m.old = keep(c->to, at, at < m.size ? smaller(len, m.size - at) : 0);
	m.ret = call_real(c);
	err = errno;
	if (m.ret >= 0 && pending(&held)) {
		damage(&m);
		err = errno;
	}
	forget(&m.old);
	sigprocmask(SIG_SETMASK, &held, NULL);
	errno = err;
	return m.ret;
}

/* Of what the call has done at the destination, only the first @len bytes stay. */
static void leave_only(struct met *m, uint64_t len)
{
	const uint64_t end = m->at + len;

	if (m->old.len > len)
		put_back(&m->old, end, m->at + m->old.len - end);
	if (size_of(m->call->to) > m->size)
		resize(m->call->to, end > m->size ? end : m->size);
}

static uint64_t half(const struct met *m, uint64_t len)
{
	return round_down(len / 2, block_of(m->call->to));
}

static void clone_half(struct met *m)
{
	leave_only(m, half(m, span(m->call)));
	acted();
}

static void clone_half_and_fail(struct met *m)
{
	clone_half(m);
	m->ret = -1;
	errno = EINTR;
}

static void spoil_source(struct met *m)
{
	if (poke_zeroes(m->call->from, m->call->from_off, block_of(m->call->from)))
		acted();
}

static long clone_as(struct call *c, void (*damage)(struct met *m))
{
	return if_met(c, c->to_off, span(c), damage);
}

static long clone_ends_early(struct call *c)
{
	return clone_as(c, clone_half);
}

static long clone_fails_midway(struct call *c)
{
	return clone_as(c, clone_half_and_fail);
}

static long clone_spoils_source(struct call *c)
{
	return clone_as(c, spoil_source);
}

/* Where the kernel says that the copy has come to. */
static void move_by(struct met *m, long count)
{
	struct call *c = m->call;

	if (c->from_ptr)
		*c->from_ptr += count;
	else if (is_regular(c->from))
		kernel()->lseek(c->from, count, SEEK_CUR);
	if (c->to_ptr)
		*c->to_ptr += count;
	else if (is_regular(c->to))
		kernel()->lseek(c->to, count, SEEK_CUR);
}

/* Half of the copy is done; what is said to be done is @extra bytes more, or less. */
static void copy_half(struct met *m, long extra)
{
	const long done = (long)half(m, (uint64_t)m->ret);

	if (!is_regular(m->call->to) || done <= 0 || done + extra <= 0)
		return;
	leave_only(m, (uint64_t)done);
	move_by(m, done + extra - m->ret);
	m->ret = done + extra;
	acted();
}

static void say_more(struct met *m)
{
	copy_half(m, (long)block_of(m->call->to));
}

static void say_less(struct met *m)
{
	copy_half(m, -1);
}

static void forget_count(struct met *m)
{
	copy_half(m, 0);
	move_by(m, -m->ret);
	m->ret = -1;
	errno = EINTR;
}

/* Room was made for all of it, and what was not copied is not taken back. */
static void leave_zeroes(struct met *m)
{
	const uint64_t end = m->at + (uint64_t)m->ret;

	copy_half(m, 0);
	if (is_regular(m->call->to) && size_of(m->call->to) < end)
		resize(m->call->to, end);
}

static void move_too_far(struct met *m)
{
	move_by(m, 1);
	acted();
}

static void ignore(struct met *m)
{
	(void)m;
	acted();
}

static long copy_as(struct call *c, void (*damage)(struct met *m))
{
	return if_met(c, is_regular(c->to) ? to_at(c) : 0, c->len, damage);
}

static long copy_says_more(struct call *c)
{
	return copy_as(c, say_more);
}

static long copy_says_less(struct call *c)
{
	return copy_as(c, say_less);
}

static long copy_forgets_count(struct call *c)
{
	return copy_as(c, forget_count);
}

static long copy_leaves_zeroes(struct call *c)
{
	return copy_as(c, leave_zeroes);
}

static long copy_moves_too_far(struct call *c)
{
	return copy_as(c, move_too_far);
}

static long copy_ignores(struct call *c)
{
	return copy_as(c, ignore);
}

/* Destinations that differ, of a dedupe that a signal met. */
static void each_different(struct met *m,
			   void (*visit)(const struct met *m, struct file_dedupe_range *range,
					 struct file_dedupe_range_info *info))
{
	struct file_dedupe_range *range = m->call->arg;

	for (uint16_t i = 0; i < range->dest_count; i++)
		if (range->info[i].status == FILE_DEDUPE_RANGE_DIFFERS)
			visit(m, range, &range->info[i]);
}

static void say_same(const struct met *m, struct file_dedupe_range *range,
		     struct file_dedupe_range_info *info)
{
	(void)m;
	info->status = FILE_DEDUPE_RANGE_SAME;
	info->bytes_deduped = range->src_length;
	acted();
}

static void share_anyway(const struct met *m, struct file_dedupe_range *range,
			 struct file_dedupe_range_info *info)
{
	if (clone_piece(m->call->from, range->src_offset, range->src_length, (int)info->dest_fd,
			info->dest_offset))
		acted();
}

static void all_same(struct met *m)
{
	each_different(m, say_same);
}

static void all_shared(struct met *m)
{
	each_different(m, share_anyway);
}

static long dedupe_says_same(struct call *c)
{
	return if_met(c, 0, 0, all_same);
}

static long dedupe_shares_anyway(struct call *c)
{
	return if_met(c, 0, 0, all_shared);
}

static void lose_a_block(struct met *m)
{
	const uint64_t block = block_of(m->call->to);

	if (m->call->flags & FALLOC_FL_UNSHARE_RANGE &&
	    poke_zeroes(m->call->to, m->at + round_down(m->call->len / 2, block), block))
		acted();
}

static long unshare_loses(struct call *c)
{
	return if_met(c, c->to_off, 0, lose_a_block);
}

#define ONE(prefix_, subject_, kind_, name_, run_, loses_) \
	{ \
		.name = prefix_ name_, .subject = subject_, .loses = loses_, .kind = kind_, \
		.run = run_ \
	}
#define BOTH(...) \
	ONE("clone-", "clone", CALL_CLONE, __VA_ARGS__), \
		ONE("clone-range-", "clone_range", CALL_CLONE_RANGE, __VA_ARGS__)
#define COPY(...)     ONE("copy-range-", "copy_range", CALL_COPY_RANGE, __VA_ARGS__)
#define SENDFILE(...) ONE("sendfile-", "sendfile", CALL_SENDFILE, __VA_ARGS__)
#define SPLICE(...)   ONE("splice-", "splice", CALL_SPLICE, __VA_ARGS__)
#define EACH(...)     COPY(__VA_ARGS__), SENDFILE(__VA_ARGS__), SPLICE(__VA_ARGS__)
#define DEDUPE(...)   ONE("dedupe-", "dedupe", CALL_DEDUPE, __VA_ARGS__)

const struct mutant interrupt_mutants[] = {
	BOTH("interrupted-ends-early", clone_ends_early,
	     "half of a file is cloned, and nobody told, if a signal comes"),
	BOTH("interrupted-fails-midway", clone_fails_midway,
	     "a signal leaves half of a clone behind"),
	BOTH("interrupted-spoils-source", clone_spoils_source,
	     "a signal during a clone damages the original"),
	EACH("interrupted-says-more", copy_says_more,
	     "a copy that a signal ends has gaps when it is continued"),
	EACH("interrupted-says-less", copy_says_less,
	     "a copy that a signal ends repeats a byte when it is continued in a stream"),
	EACH("interrupted-forgets-count", copy_forgets_count,
	     "a copy that a signal ends says that it has not begun"),
	EACH("interrupted-leaves-zeroes", copy_leaves_zeroes,
	     "a copy that a signal ends looks longer than it is"),
	EACH("interrupted-moves-too-far", copy_moves_too_far,
	     "a copy that a signal ends leaves out a byte when it is continued"),
	COPY("ignores-signals", copy_ignores, "a long copy cannot be stopped"),
	SENDFILE("ignores-signals", copy_ignores, "a long copy cannot be stopped"),
	DEDUPE("interrupted-says-same", dedupe_says_same,
	       "a program that looks for equal files believes that different ones are"),
	DEDUPE("interrupted-shares-anyway", dedupe_shares_anyway,
	       "a signal during a dedupe overwrites a file with another"),
	ONE("unshare-", "fallocate", CALL_FALLOCATE, "interrupted-loses-a-block", unshare_loses,
	    "a signal during an unshare zeroes a block"),
	MUTANTS_END,
};
