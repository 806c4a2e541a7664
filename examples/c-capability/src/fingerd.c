/* fingerd answers on port 79, without being root: its file has the capability to listen there. */
#include "plans.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int signal)
{
    (void)signal;
    _exit(0);
}

static void show_privileges(void)
{
    cap_t capabilities = cap_get_proc();
    cap_flag_value_t bind = CAP_CLEAR;

    cap_get_flag(capabilities, CAP_NET_BIND_SERVICE, CAP_EFFECTIVE, &bind);
    printf("user %d, may listen on low ports: %s\n", (int)getuid(), bind == CAP_SET ? "yes" : "no");
    cap_free(capabilities);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *directory = getenv("PLANS") ? getenv("PLANS") : "/srv/plans";
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 79) };
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    if (argc > 1 && strcmp(argv[1], "--privileges") == 0) {
        show_privileges();
        return 0;
    }
    signal(SIGTERM, stop);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 8) != 0) {
        perror("fingerd");
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        char name[128] = "";
        FILE *stream = client < 0 ? NULL : fdopen(client, "r+");

        if (!stream)
            continue;
        if (fgets(name, sizeof name, stream)) {
            name[strcspn(name, "\r\n")] = '\0';
            fseek(stream, 0, SEEK_CUR);
            plans_write(stream, directory, name);
        }
        fclose(stream);
    }
}
