#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>
#include <stdio.h>

struct names {
    char **lines;
    size_t count;
};

/* Reads lines; returns -1 if there is no memory. */
int names_read(struct names *names, FILE *input);
/* Sorts them as the locale does, or by their bytes. */
void names_sort(struct names *names, int bytes);

#endif
