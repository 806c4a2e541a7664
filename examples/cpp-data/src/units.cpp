#include "units.hpp"

namespace units {

double convert(const table &table, double value, const std::string &from, const std::string &to)
{
    auto source = table.find(from), target = table.find(to);
    if (!source)
        throw error("`" + from + "` is no unit");
    if (!target)
        throw error("`" + to + "` is no unit");
    if (source->kind != target->kind)
        throw error(source->name + " is " + source->kind + ", " + target->name + " is " + target->kind);
    return ((value + source->offset) * source->factor) / target->factor - target->offset;
}

}
