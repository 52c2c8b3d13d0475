/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks the interposer of harness/mutants which mutant it is. A run that believes to be under a
 * mutant and is not would call every case blind.
 */
#include "mutant.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mutant_name(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "cowbell_mutant_active");
	const char *(*active)(void);

	/* ISO C has no cast from an object's address to a function's. */
	memcpy(&active, &symbol, sizeof(active));
	return active ? active() : NULL;
}

int mutant_check(char *why, size_t size)
{
	const char *asked = getenv("COWBELL_MUTANT"), *is = mutant_name();

	if (!asked || (is && !strcmp(asked, is)))
		return 0;
	snprintf(why, size,
		 "COWBELL_MUTANT is '%s', but %s%s%s: LD_PRELOAD libcowbell-mutants.so into a "
		 "driver that is dynamically linked",
		 asked, is ? "the mutant is '" : "there is no mutant", is ? is : "", is ? "'" : "");
	return -1;
}
