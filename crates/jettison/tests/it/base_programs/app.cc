// What a program in C++ asks of its base beyond what one in C does.
#include <filesystem>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>

int main() {
    std::string said;
    try {
        std::thread([&said] { said = "a thread"; }).join();
        throw std::runtime_error(said + " and an exception");
    } catch (const std::exception &error) {
        std::cout << "hello from " << error.what() << "\n";
    }
    int sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (int number = 1; number <= 100; number++) sum += number;
    std::cout << "OpenMP adds up to " << sum << "\n";
    std::cout << "/etc/os-release leads to " << std::filesystem::canonical("/etc/os-release").string() << "\n";
    std::cout << std::regex_replace("no expression", std::regex("no"), "an") << "\n";
    return 0;
}
