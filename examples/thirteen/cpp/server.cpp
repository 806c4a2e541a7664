// Counts the letters of what it is sent.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <iostream>
#include <map>
#include <sstream>

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

static std::string count(const std::string& text) {
    std::map<char, int> letters;
    for (char c : text)
        if (isalpha(static_cast<unsigned char>(c))) ++letters[static_cast<char>(tolower(c))];
    std::ostringstream answer;
    for (const auto& [letter, n] : letters) answer << letter << ' ' << n << '\n';
    return answer.str();
}

int main() {
    try {
        boost::asio::io_context context;
        tcp::acceptor acceptor{context, {tcp::v4(), 8080}};
        for (;;) {
            tcp::socket socket{context};
            acceptor.accept(socket);
            beast::flat_buffer buffer;
            beast::error_code error;
            http::request<http::string_body> request;
            http::read(socket, buffer, request, error);
            if (error) continue;
            http::response<http::string_body> response{http::status::ok, request.version()};
            if (request.method() != http::verb::post) response.result(http::status::method_not_allowed);
            else response.body() = count(request.body());
            response.set(http::field::server, BOOST_BEAST_VERSION_STRING);
            response.keep_alive(false);
            response.prepare_payload();
            http::write(socket, response, error);
            socket.shutdown(tcp::socket::shutdown_send, error);
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
