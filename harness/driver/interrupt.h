/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interruptibility: one call is made again and again, each time by a process of its own, and a
 * signal meets it there at another moment of the call's own duration. What comes of it is held
 * against the contract: results must be true, files hold what the case allows, nothing else has
 * changed, and a second attempt works.
 */
#ifndef COWBELL_INTERRUPT_H
#define COWBELL_INTERRUPT_H

struct world;

/**
 * interrupt_run() - the sweep that the point's "interrupt" asks for
 * @budget: scales the number of signals; 0 is 1.0
 *
 * Says by world_fail() what is not allowed, by world_error() that too few signals landed inside the
 * call, and records counts and latencies under observed{}.
 */
void interrupt_run(struct world *w, double budget);

#endif
