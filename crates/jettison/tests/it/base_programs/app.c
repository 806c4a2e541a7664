// What a program in C asks of its base: who it is, what time it is, who is called so, which characters there are.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifndef STATIC
#include <iconv.h>
#include <openssl/ssl.h>
#include <pthread.h>

static void *wait_for_it(void *unused) {
    pause();
    return unused;
}

// What the server at HOST:PORT of `LAB` says, if it can be trusted.
static const char *ask_lab(void) {
    static char answer[64];
    char name[64];
    snprintf(name, sizeof name, "%s", getenv("LAB"));
    char *port = strchr(name, ':');
    *port++ = 0;
    struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(name, port, &hints, &found)) return "unknown";
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, found->ai_addr, found->ai_addrlen)) return "not there";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *tls = SSL_new(context);
    SSL_set_tlsext_host_name(tls, name);
    SSL_set1_host(tls, name);
    SSL_set_fd(tls, connection);
    if (SSL_connect(tls) != 1) return SSL_get_verify_result(tls) == X509_V_OK ? "broken" : "not trusted";
    SSL_write(tls, "GET / HTTP/1.0\r\n\r\n", 18);
    int length = SSL_read(tls, answer, 15);
    answer[length < 0 ? 0 : length] = 0;
    return answer;
}
#endif

int main(void) {
    printf("hello from %d\n", getuid());
    setenv("TZ", "Europe/Kiev", 1);
    time_t then = 1700000000;
    char text[64];
    strftime(text, sizeof text, "%H:%M %z", localtime(&then));
    printf("in Kiev it was %s\n", text);
#ifndef STATIC
    struct passwd *user = getpwnam("nonroot");
    printf("nonroot is %d\n", user ? (int)user->pw_uid : -1);
    struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    int failed = getaddrinfo("hosts.test", "https", &hints, &found);
    struct sockaddr_in *at = failed ? NULL : (struct sockaddr_in *)found->ai_addr;
    printf("hosts.test is %s, https is %d\n", at ? inet_ntoa(at->sin_addr) : gai_strerror(failed),
           at ? ntohs(at->sin_port) : 0);
    printf("UTF-16 %s, Latin-1 %s\n", iconv_open("UTF-16", "UTF-8") == (iconv_t)-1 ? "missing" : "known",
           iconv_open("ISO-8859-1", "UTF-8") == (iconv_t)-1 ? "missing" : "known");
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_it, NULL);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    printf("a thread was cancelled\n");
#endif
    printf("the bundle is %s\n", access(getenv("SSL_CERT_FILE"), R_OK) ? "missing" : "there");
    int file = open("/tmp/x", O_CREAT | O_WRONLY, 0600);
    printf("/tmp is %s\n", file < 0 ? "read-only" : "writable");
#ifndef STATIC
    printf("the lab says %s\n", ask_lab());
#endif
    return 0;
}
