#include "linkcheck.h"

#include <stdlib.h>
#include <string.h>

int list_read(struct list *list, FILE *input)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, input)) >= 0) {
        char **urls;

        while (length > 0 && strchr(" \t\r\n", line[length - 1]))
            line[--length] = '\0';
        if (length == 0 || line[0] == '#')
            continue;
        urls = realloc(list->urls, (list->count + 1) * sizeof *urls);
        if (!urls) {
            free(line);
            return -1;
        }
        list->urls = urls;
        list->urls[list->count] = strdup(line);
        if (!list->urls[list->count]) {
            free(line);
            return -1;
        }
        list->count++;
    }
    free(line);
    return 0;
}

void list_free(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->urls[i]);
    free(list->urls);
}
