/* SPDX-License-Identifier: GPL-2.0-only */
/* What op put keeps between calls: descriptors for O_DIRECT, mappings, a buffer, a ring. */
#ifndef COWBELL_OPS_PUT_H
#define COWBELL_OPS_PUT_H

struct actor;

/** put_forget() - close and unmap what an actor's puts and gets have kept of files */
void put_forget(struct actor *a);

/** put_end() - give back the rest, too */
void put_end(struct actor *a);

#endif
