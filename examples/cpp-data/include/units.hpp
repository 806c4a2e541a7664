// Units of measurement, read from tables.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace units {

struct unit {
    std::string name, kind;
    double factor, offset;
};

class table {
public:
    // Reads every .tsv file of a directory, and the file "aliases".
    explicit table(const std::string &directory);
    std::optional<unit> find(const std::string &name) const;
    std::vector<unit> of_kind(const std::string &kind) const;

private:
    void read(const std::string &path, const std::string &kind);
    std::map<std::string, unit> units_;
    std::map<std::string, std::string> aliases_;
};

struct error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The value of one unit in another; throws an error if they do not measure the same.
double convert(const table &table, double value, const std::string &from, const std::string &to);

}
