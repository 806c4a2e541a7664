/* linkcheck says which addresses of a list are there.
 *
 *     linkcheck [-t SECONDS] [-a AGENT] [-v] [-V] [FILE...]
 */
#include "linkcheck.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int usage(void)
{
    fputs("usage: linkcheck [-t SECONDS] [-a AGENT] [-v] [-V] [FILE...]\n", stderr);
    return 2;
}

static int read_file(struct list *list, const char *name)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

    if (!file) {
        perror(name);
        return -1;
    }
    int result = list_read(list, file);
    if (file != stdin)
        fclose(file);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = { .timeout = 10, .verbose = 0, .agent = "linkcheck/1.2" };
    struct list list = { 0 };
    size_t fine = 0;
    int option;

    while ((option = getopt(argc, argv, "t:a:vV")) != -1) {
        switch (option) {
        case 't': options.timeout = strtol(optarg, NULL, 10); break;
        case 'a': options.agent = optarg; break;
        case 'v': options.verbose = 1; break;
        case 'V': check_describe(); return 0;
        default: return usage();
        }
    }
    if (optind == argc) {
        if (read_file(&list, "links.txt") != 0)
            return 2;
    }
    for (int i = optind; i < argc; i++)
        if (read_file(&list, argv[i]) != 0)
            return 2;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (size_t i = 0; i < list.count; i++)
        fine += check_url(list.urls[i], &options);
    if (options.verbose)
        printf("%zu of %zu\n", fine, list.count);
    option = fine == list.count ? 0 : 1;
    list_free(&list);
    curl_global_cleanup();
    return option;
}
