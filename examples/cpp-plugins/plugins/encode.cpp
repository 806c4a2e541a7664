// encode:CHARSET gives lines another encoding than UTF-8.
#include "textpipe.hpp"

#include <iconv.h>

struct encode : textpipe::filter {
    iconv_t descriptor;
    explicit encode(iconv_t opened) : descriptor(opened) {}
    ~encode() override { iconv_close(descriptor); }
    std::string line(const std::string &text) override
    {
        std::string input = text, output(text.size() * 4 + 16, '\0');
        char *from = input.data(), *to = output.data();
        size_t left = input.size(), room = output.size();
        iconv(descriptor, nullptr, nullptr, nullptr, nullptr);
        while (left > 0 && iconv(descriptor, &from, &left, &to, &room) == static_cast<size_t>(-1)) {
            *to++ = '?';
            room--;
            from++;
            left--;
        }
        output.resize(output.size() - room);
        return output;
    }
};

extern "C" textpipe::filter *textpipe_plugin(const char *argument)
{
    iconv_t descriptor = iconv_open(*argument ? argument : "ISO-8859-1", "UTF-8");
    return descriptor == reinterpret_cast<iconv_t>(-1) ? nullptr : new encode(descriptor);
}
