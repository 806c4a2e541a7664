#ifndef PLANS_H
#define PLANS_H

#include <stdio.h>

/* Writes what is known about somebody, or about everybody if the name is empty. */
void plans_write(FILE *output, const char *directory, const char *name);

#endif
