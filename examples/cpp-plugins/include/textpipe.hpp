// What a plugin is: a shared object with a function `textpipe_plugin`.
#pragma once

#include <memory>
#include <string>

namespace textpipe {

class filter {
public:
    virtual ~filter() = default;
    virtual std::string line(const std::string &text) = 0;
    // What is to be said after the last line.
    virtual std::string end() { return ""; }
};

}

extern "C" textpipe::filter *textpipe_plugin(const char *argument);
