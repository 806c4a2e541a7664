#include "plans.h"

#include <pwd.h>
#include <string.h>

static void one(FILE *output, const char *directory, const struct passwd *user)
{
    char path[512], line[512];

    fprintf(output, "Login: %-12s Name: %s\r\n", user->pw_name, user->pw_gecos);
    snprintf(path, sizeof path, "%s/%s.plan", directory, user->pw_name);
    FILE *plan = fopen(path, "r");
    if (!plan) {
        fputs("No plan.\r\n", output);
        return;
    }
    while (fgets(line, sizeof line, plan)) {
        line[strcspn(line, "\r\n")] = '\0';
        fprintf(output, "  %s\r\n", line);
    }
    fclose(plan);
}

void plans_write(FILE *output, const char *directory, const char *name)
{
    struct passwd *user;

    if (*name) {
        user = strchr(name, '/') ? NULL : getpwnam(name);
        if (user && user->pw_uid >= 1000 && user->pw_uid < 60000)
            one(output, directory, user);
        else
            fprintf(output, "%s: no such user\r\n", name);
        return;
    }
    setpwent();
    while ((user = getpwent()))
        if (user->pw_uid >= 1000 && user->pw_uid < 60000)
            fprintf(output, "%s\r\n", user->pw_name);
    endpwent();
}
