#pragma once

#include <memory>
#include <string>
#include <vector>

#include "textpipe.hpp"

namespace textpipe {

// Loads a plugin by its name, which may be followed by a colon and an argument. Throws std::runtime_error.
std::unique_ptr<filter> load(const std::string &name);

// The names of all plugins that there are, sorted.
std::vector<std::string> available();

}
