// convert 3.5 mile km      one value
// convert                  lines of values and units from standard input
// convert --list [KIND]
#include "units.hpp"

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace {

std::string data_directory()
{
    const char *set = std::getenv("CONVERT_DATA");
    return set ? set : DATADIR;
}

bool answer(const units::table &table, const std::string &line)
{
    std::istringstream words(line);
    double value;
    std::string from, to;
    if (!(words >> value >> from >> to)) {
        std::cerr << "convert: `" << line << "` is not VALUE UNIT UNIT\n";
        return false;
    }
    try {
        std::cout << std::setprecision(10) << units::convert(table, value, from, to) << ' ' << to << '\n';
        return true;
    } catch (const units::error &error) {
        std::cerr << "convert: " << error.what() << '\n';
        return false;
    }
}

}

int main(int argc, char **argv)
try {
    units::table table(data_directory());
    std::string words;
    for (int i = 1; i < argc; i++)
        words += std::string(i > 1 ? " " : "") + argv[i];
    if (argc > 1 && std::string(argv[1]) == "--list") {
        for (const auto &one : table.of_kind(argc > 2 ? argv[2] : ""))
            std::cout << std::left << std::setw(12) << one.kind << one.name << '\n';
        return 0;
    }
    if (argc > 1)
        return answer(table, words) ? 0 : 1;
    bool fine = true;
    for (std::string line; std::getline(std::cin, line);)
        fine &= line.empty() || answer(table, line);
    return fine ? 0 : 1;
} catch (const units::error &error) {
    std::cerr << "convert: " << error.what() << '\n';
    return 2;
}
