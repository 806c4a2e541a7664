#include "textpipe.hpp"

#include <cstdlib>

struct number : textpipe::filter {
    long next;
    explicit number(long first) : next(first) {}
    std::string line(const std::string &text) override { return std::to_string(next++) + "\t" + text; }
};

extern "C" textpipe::filter *textpipe_plugin(const char *argument)
{
    return new number(*argument ? std::strtol(argument, nullptr, 10) : 1);
}
