// textpipe [PLUGIN[:ARGUMENT]...]   sends standard input through plugins;
// without any, through those of /etc/textpipe.conf.   textpipe --list   names them.
#include "loader.hpp"

#include <fstream>
#include <iostream>

int main(int argc, char **argv)
try {
    std::vector<std::string> names(argv + 1, argv + argc);
    if (names.size() == 1 && names[0] == "--list") {
        for (const auto &name : textpipe::available())
            std::cout << name << '\n';
        return 0;
    }
    if (names.empty()) {
        std::ifstream conf("/etc/textpipe.conf");
        for (std::string line; std::getline(conf, line);)
            if (!line.empty() && line[0] != '#')
                names.push_back(line);
    }
    std::vector<std::unique_ptr<textpipe::filter>> filters;
    for (const auto &name : names)
        filters.push_back(textpipe::load(name));
    for (std::string line; std::getline(std::cin, line);) {
        for (auto &filter : filters)
            line = filter->line(line);
        std::cout << line << '\n';
    }
    for (auto &filter : filters)
        std::cout << filter->end();
} catch (const std::exception &error) {
    std::cerr << "textpipe: " << error.what() << '\n';
    return 1;
}
