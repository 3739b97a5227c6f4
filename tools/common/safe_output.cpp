#include "common/safe_output.hpp"

#include "base/escape.hpp"

namespace cdc::program {

SafeOutput::SafeOutput() : out_(std::cout.rdbuf()), err_(std::cerr.rdbuf()), raw_out_(std::cout.rdbuf()) {
  std::cout.rdbuf(&out_);
  std::cerr.rdbuf(&err_);
}

SafeOutput::~SafeOutput() {
  std::cout.flush();
  std::cerr.flush();
  std::cout.rdbuf(out_.to());
  std::cerr.rdbuf(err_.to());
}

bool SafeOutput::Buffer::pass() {
  const std::string safe = terminal_text(line_);
  line_.clear();
  return to_->sputn(safe.data(), static_cast<std::streamsize>(safe.size())) == static_cast<std::streamsize>(safe.size());
}

SafeOutput::Buffer::int_type SafeOutput::Buffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  line_ += traits_type::to_char_type(c);
  return line_.back() != '\n' || pass() ? c : traits_type::eof();
}

std::streamsize SafeOutput::Buffer::xsputn(const char* text, std::streamsize size) {
  line_.append(text, static_cast<std::size_t>(size));
  return size == 0 || line_.back() != '\n' || pass() ? size : 0;
}

int SafeOutput::Buffer::sync() { return pass() && to_->pubsync() == 0 ? 0 : -1; }

}  // namespace cdc::program
