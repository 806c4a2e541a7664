#include "textpipe.hpp"

#include <cctype>

struct upper : textpipe::filter {
    std::string line(const std::string &text) override
    {
        std::string result = text;
        for (char &c : result)
            c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        return result;
    }
};

extern "C" textpipe::filter *textpipe_plugin(const char *) { return new upper; }
