#include "names.h"

#include <stdlib.h>
#include <string.h>

int names_read(struct names *names, FILE *input)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, input)) >= 0) {
        char **more = realloc(names->lines, (names->count + 1) * sizeof *more);

        if (length && line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (!more || !(more[names->count] = strdup(line)))
            return -1;
        names->lines = more;
        names->count++;
    }
    free(line);
    return 0;
}

static int by_locale(const void *a, const void *b)
{
    return strcoll(*(char *const *)a, *(char *const *)b);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *names, int bytes)
{
    qsort(names->lines, names->count, sizeof *names->lines, bytes ? by_bytes : by_locale);
}
