#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "artifact/event_file.hpp"
#include "cdc/value.hpp"
#include "support/files.hpp"

namespace cdc::test {

/// An event of a TensorBoard event file, read back.
struct ReadEvent {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string version;  ///< of the file, in its first event
  bool start = false;   ///< of a session
  std::vector<std::pair<std::string, float>> scalars;
  struct Picture {
    std::string tag, png;
    int height = 0, width = 0, channels = 0;
  };
  std::vector<Picture> pictures;
};

inline ReadEvent read_event(const std::string& bytes) {
  ReadEvent out;
  protozero::pbf_reader event(bytes);
  while (event.next()) switch (event.tag()) {
      case 1:
        out.wall_time = event.get_double();
        break;
      case 2:
        out.step = event.get_int64();
        break;
      case 3:
        out.version = event.get_string();
        break;
      case 5: {
        protozero::pbf_reader summary = event.get_message();
        while (summary.next(1)) {
          protozero::pbf_reader value = summary.get_message();
          std::string tag;
          while (value.next()) switch (value.tag()) {
              case 1:
                tag = value.get_string();
                break;
              case 2:
                out.scalars.emplace_back(tag, value.get_float());
                break;
              case 4: {
                ReadEvent::Picture picture;
                picture.tag = tag;
                protozero::pbf_reader image = value.get_message();
                while (image.next()) switch (image.tag()) {
                    case 1:
                      picture.height = image.get_int32();
                      break;
                    case 2:
                      picture.width = image.get_int32();
                      break;
                    case 3:
                      picture.channels = image.get_int32();
                      break;
                    case 4:
                      picture.png = image.get_bytes();
                      break;
                    default:
                      image.skip();
                  }
                out.pictures.push_back(std::move(picture));
                break;
              }
              default:
                value.skip();
            }
        }
        break;
      }
      case 7: {
        protozero::pbf_reader session = event.get_message();
        while (session.next(1)) out.start = session.get_enum() == 1;
        break;
      }
      default:
        event.skip();
    }
  return out;
}

/// The events of a file, checksums compared; a last one that is cut is left out, as readers do.
inline std::vector<ReadEvent> read_events(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  std::vector<ReadEvent> out;
  for (std::size_t at = 0; at + 12 <= bytes.size();) {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    if (at + 16 + size > bytes.size()) break;
    const std::string data = bytes.substr(at + 12, size);
    EXPECT_EQ(bytes.substr(at, 16 + size), tfrecord(data)) << "checksums of the record at byte " << at << " of " << file;
    out.push_back(read_event(data));
    at += 16 + size;
  }
  return out;
}

/// The event files of a folder in the order in which TensorBoard reads them.
inline std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().find("tfevents") != std::string::npos) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

/// Values by tag, and step by step.
using EventPoints = std::map<std::string, std::vector<std::pair<std::int64_t, float>>>;

struct SeenEvents {
  EventPoints points;
  std::map<std::string, ReadEvent::Picture> pictures;
};

/// What a reader has after all files of a folder: at each start of a session it forgets what it had.
inline SeenEvents seen_in(const std::filesystem::path& folder) {
  SeenEvents out;
  for (const std::filesystem::path& file : event_files(folder))
    for (const ReadEvent& event : read_events(file)) {
      if (event.start) out = {};
      for (const auto& [tag, value] : event.scalars) out.points[tag].emplace_back(event.step, value);
      for (const ReadEvent::Picture& picture : event.pictures) EXPECT_TRUE(out.pictures.emplace(picture.tag, picture).second) << picture.tag;
    }
  return out;
}

/// What metrics.jsonl and summary.json of a run ask for, where every line has an epoch and is of no restart.
inline EventPoints points_of_run(const std::filesystem::path& run) {
  EventPoints out;
  const std::function<void(const std::string&, const Value&, std::int64_t)> add = [&](const std::string& tag, const Value& value, std::int64_t step) {
    if (value.is_number()) out[tag].emplace_back(step, static_cast<float>(value.as_real()));
    if (value.is_table())
      for (const auto& [name, inner] : value.as_table()) add(tag + "." + name, inner, step);
  };
  std::istringstream lines(read_file(run / "metrics.jsonl"));
  for (std::string text; std::getline(lines, text);) {
    const Value line = Value::from_json(text);
    for (const auto& [name, value] : line.as_table())
      if (name != "epoch") add(line.at("stage").as_string() + "/" + name, value, line.at("epoch").as_integer());
  }
  const Value summary = Value::from_json(read_file(run / "summary.json"));
  for (const auto& [name, row] : summary.at("scores").as_table())
    for (const auto& [score, value] : row.as_table())
      if (score != "protocol") add("scores/" + name + "/" + score, value, 0);
  return out;
}

}  // namespace cdc::test
