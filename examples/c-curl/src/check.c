#include "linkcheck.h"

#include <curl/curl.h>
#include <string.h>
#include <unistd.h>

static size_t count_bytes(char *data, size_t size, size_t number, void *total)
{
    (void)data;
    *(size_t *)total += size * number;
    return size * number;
}

int check_url(const char *url, const struct options *options)
{
    CURL *curl = curl_easy_init();
    CURLcode result;
    size_t bytes = 0;
    long status = 0;
    int fine;

    if (!curl)
        return 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, options->timeout);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, options->agent);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &bytes);
    result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    fine = result == CURLE_OK && status < 400;
    if (fine)
        printf("ok      %s (%zu bytes)\n", url, bytes);
    else if (result == CURLE_OK)
        printf("%-7ld %s\n", status, url);
    else
        printf("failed  %s: %s\n", url, curl_easy_strerror(result));
    curl_easy_cleanup(curl);
    return fine;
}

void check_describe(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    int encrypted = 0;

    for (const char *const *protocol = info->protocols; *protocol; protocol++)
        encrypted |= strcmp(*protocol, "https") == 0;
    printf("linkcheck 1.2 with libcurl %s\n", info->version);
    printf("https: %s, certificates: %s (%s)\n", encrypted ? "yes" : "no", info->cainfo ? info->cainfo : "none",
           info->cainfo && access(info->cainfo, R_OK) == 0 ? "readable" : "missing");
}
