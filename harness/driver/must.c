/* SPDX-License-Identifier: GPL-2.0-only */
#include "must.h"

#include <stdio.h>
#include <stdlib.h>

void *must(void *p)
{
	if (p)
		return p;
	/* nothing to clean up that the kernel would not */
	fputs("cowbell: out of memory\n", stderr);
	abort();
}
