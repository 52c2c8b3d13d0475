/* SPDX-License-Identifier: GPL-2.0-only */
/* What op put keeps open between calls of one round: descriptors for O_DIRECT, mappings, a ring. */
#ifndef COWBELL_OPS_PUT_H
#define COWBELL_OPS_PUT_H

struct actor;

/** put_forget() - close and unmap all that an actor's puts and gets have kept */
void put_forget(struct actor *a);

#endif
