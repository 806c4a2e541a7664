#include "units.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace units {

table::table(const std::string &directory)
{
    if (!std::filesystem::is_directory(directory))
        throw error(directory + " is not there");
    for (const auto &entry : std::filesystem::directory_iterator(directory))
        if (entry.path().extension() == ".tsv")
            read(entry.path(), entry.path().stem());
    std::ifstream aliases(directory + "/aliases");
    for (std::string alias, name; aliases >> alias >> name;)
        aliases_[alias] = name;
}

void table::read(const std::string &path, const std::string &kind)
{
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        unit one{"", kind, 1, 0};
        if (line.empty() || line[0] == '#')
            continue;
        if (!(fields >> one.name >> one.factor))
            throw error(path + ": `" + line + "` is no unit");
        fields >> one.offset;
        units_[one.name] = one;
    }
}

std::optional<unit> table::find(const std::string &name) const
{
    auto alias = aliases_.find(name);
    auto found = units_.find(alias == aliases_.end() ? name : alias->second);
    if (found == units_.end())
        return std::nullopt;
    return found->second;
}

std::vector<unit> table::of_kind(const std::string &kind) const
{
    std::vector<unit> all;
    for (const auto &[name, one] : units_)
        if (kind.empty() || one.kind == kind)
            all.push_back(one);
    return all;
}

}
