#ifndef LINKCHECK_H
#define LINKCHECK_H

#include <stddef.h>
#include <stdio.h>

/* The addresses of a list, in its order. */
struct list {
    char **urls;
    size_t count;
};

/* What was asked for on the command line. */
struct options {
    long timeout;
    int verbose;
    const char *agent;
};

/* Reads one address a line; lines that start with # are comments. Returns 0, or -1 if there is no memory. */
int list_read(struct list *list, FILE *input);
void list_free(struct list *list);

/* Asks for one address and prints a line about it. Returns 1 if it is there, else 0. */
int check_url(const char *url, const struct options *options);

/* Prints what this program can do. */
void check_describe(void);

#endif
