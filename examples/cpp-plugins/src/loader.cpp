#include "loader.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace textpipe {

static std::string directory()
{
    const char *set = std::getenv("TEXTPIPE_PLUGINS");
    return set ? set : PLUGIN_DIR;
}

std::unique_ptr<filter> load(const std::string &name)
{
    auto colon = name.find(':');
    std::string argument = colon == std::string::npos ? "" : name.substr(colon + 1);
    std::string path = directory() + "/" + name.substr(0, colon) + ".so";
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library)
        throw std::runtime_error("there is no plugin " + name.substr(0, colon));
    auto make = reinterpret_cast<decltype(&textpipe_plugin)>(dlsym(library, "textpipe_plugin"));
    if (!make)
        throw std::runtime_error(path + " is no plugin");
    std::unique_ptr<filter> made(make(argument.c_str()));
    if (!made)
        throw std::runtime_error(name + ": this argument means nothing");
    return made;
}

std::vector<std::string> available()
{
    std::vector<std::string> names;
    if (std::filesystem::is_directory(directory()))
        for (const auto &entry : std::filesystem::directory_iterator(directory()))
            if (entry.path().extension() == ".so")
                names.push_back(entry.path().stem());
    std::sort(names.begin(), names.end());
    return names;
}

}
