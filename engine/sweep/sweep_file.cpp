#include "sweep/sweep_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "artifact/hash.hpp"
#include "base/text_file.hpp"
#include "config/suggest.hpp"
#include "sweep/axes.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostCells = 10000;

struct Variant {
  std::string name, title;
  Location where, base_where;
  std::optional<std::string> pipeline;  ///< relative to the sweep's file
  std::vector<Override> changes;
};

class Reader {
 public:
  Reader(fs::path file, std::vector<Diagnostic>& problems) : file_(std::move(file)), problems_(problems) {}

  Sweep read(const Spec& root) {
    Sweep out;
    for (const char* key : {"pipeline", "stage", "extends"})
      if (const Spec* found = root.find(key); found != nullptr && root.find("sweep") == nullptr) {
        problem(found->key_where,
                "this is a pipeline, not a sweep: cdc-run runs it, cdc-report takes the directory of its run, and a sweep names it, "
                "[sweep] base = \"FILE.toml\"");
        return out;
      }
    known_keys(root, {"sweep", "set", "axes", "variants"}, "table");
    const Spec* sweep = table_of(root, "sweep");
    if (sweep == nullptr) {
      if (root.find("sweep") == nullptr) problem(root.where, "there is no table [sweep]: it names the pipeline, base = \"FILE.toml\"");
      return out;
    }
    known_keys(*sweep, {"name", "base", "mode", "seeds", "samples", "sample_seed", "scores", "statistics", "stop"}, "key");
    out.name = text_of(*sweep, "name").value_or(file_.stem().string());
    if (out.name.empty() || out.name.find('/') != std::string::npos || out.name[0] == '.')
      problem(sweep->find("name") != nullptr ? sweep->find("name")->where : sweep->where,
              fmt::format("'{}' cannot name a folder: leave out '/' and a '.' in front", out.name));
    base_ = text_of(*sweep, "base");
    mode_ = choice(*sweep, "mode", {"grid", "zip", "random"});
    const std::vector<std::int64_t> seeds = seeds_of(*sweep);
    const std::int64_t samples = integer_of(*sweep, "samples", 0, 1, kMostCells), sample_seed = integer_of(*sweep, "sample_seed", 0, 0, INT64_MAX);
    if (mode_ == "random" && sweep->find("samples") == nullptr)
      problem(sweep->find("mode")->where, "mode = \"random\" needs to know how many points to draw: set samples = 20");
    if (mode_ != "random")
      for (const char* key : {"samples", "sample_seed"})
        if (const Spec* given = sweep->find(key))
          problem(given->key_where, fmt::format("'{}' goes with mode = \"random\": set that, or leave it out", key));
    read_columns(*sweep, out);
    read_statistics(*sweep, out);
    out.stop = stop_of(*sweep);
    std::vector<Override> common;
    if (const Spec* set = table_of(root, "set")) flatten(*set, "", common, false);
    const std::vector<Axis> axes = axes_of(root);
    std::vector<Variant> variants = variants_of(root, sweep->where);
    out.has_variants = !variants.empty();
    if (variants.empty()) variants.emplace_back();
    for (const Axis& axis : axes) out.axes.push_back(axis.key);
    if (mode_ == "random" && axes.empty() && problems_.empty())
      problem(sweep->find("mode")->where, "mode = \"random\" draws values of axes, and there are none: name some in [axes], or leave it out");
    check_overridden(common, variants, axes, sweep->find("seeds"));
    if (!problems_.empty()) return out;
    if (!out.has_variants && axes.empty() && seeds.empty()) {
      problem(sweep->where, "this sweep is of one run: give it seeds = [0, 1, 2], [axes] or [variants]");
      return out;
    }
    const std::vector<std::vector<Spec>> points =
        points_of(*sweep, axes, samples, sample_seed, variants.size() * std::max<std::size_t>(1, seeds.size()));
    for (const Variant& variant : variants)
      for (const std::vector<Spec>& point : points)
        for (const std::int64_t seed : seeds.empty() ? std::vector<std::int64_t>{-1} : seeds)
          out.cells.push_back(cell(variant, axes, point, seed, *sweep, common));
    return out;
  }

 private:
  void problem(const Location& where, std::string message) { problems_.push_back({where, std::move(message)}); }

  void known_keys(const Spec& table, const std::vector<std::string>& keys, const char* what) {
    for (const auto& [name, entry] : table.table)
      if (std::find(keys.begin(), keys.end(), name) == keys.end())
        problem(entry.key_where, fmt::format("there is no {} '{}' in a sweep{}", what, name,
                                             did_you_mean(name, keys).empty() ? "; there are " + quoted_list(keys) : did_you_mean(name, keys)));
  }

  const Spec* table_of(const Spec& root, const char* name) {
    const Spec* found = root.find(name);
    if (found == nullptr || found->is_table()) return found;
    problem(found->key_where, fmt::format("'{0}' must be a table, [{0}]", name));
    return nullptr;
  }

  std::optional<std::string> text_of(const Spec& table, const char* key) {
    const Spec* found = table.find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) {
      problem(found->where, fmt::format("'{}' must be a string, found {}", key, found->value().to_json()));
      return std::nullopt;
    }
    return found->string();
  }

  std::string choice(const Spec& table, const char* key, const std::vector<std::string>& choices) {
    const std::optional<std::string> given = text_of(table, key);
    if (!given) return choices.front();
    if (std::find(choices.begin(), choices.end(), *given) != choices.end()) return *given;
    problem(table.find(key)->where,
            fmt::format("'{}' must be one of {}, found '{}'{}", key, quoted_list(choices), *given, did_you_mean(*given, choices)));
    return choices.front();
  }

  std::int64_t integer_of(const Spec& table, const char* key, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    const Spec* found = table.find(key);
    if (found == nullptr) return otherwise;
    if (found->scalar.is_integer() && found->scalar.as_integer() >= least && found->scalar.as_integer() <= most) return found->scalar.as_integer();
    problem(found->where, fmt::format("'{}' must be an integer from {} to {}, found {}", key, least, most, found->value().to_json()));
    return otherwise;
  }

  std::vector<std::int64_t> seeds_of(const Spec& sweep) {
    std::vector<std::int64_t> out;
    const Spec* found = sweep.find("seeds");
    if (found == nullptr) return out;
    const auto wrong = [&](const Spec& what) {
      problem(what.where, fmt::format("'seeds' must be a list of integers from 0, seeds = [0, 1, 2], found {}", what.value().to_json()));
    };
    if (!found->is_array() || found->array.empty()) wrong(*found);
    for (const Spec& one : found->array) {
      if (!one.scalar.is_integer() || one.scalar.as_integer() < 0)
        wrong(one);
      else if (std::find(out.begin(), out.end(), one.scalar.as_integer()) != out.end())
        problem(one.where,
                fmt::format("the seed {} stands twice in 'seeds', and the same run twice is no repetition: take one out", one.scalar.as_integer()));
      else
        out.push_back(one.scalar.as_integer());
    }
    return out;
  }

  void read_columns(const Spec& sweep, Sweep& out) {
    const Spec* found = sweep.find("scores");
    if (found == nullptr) return;
    const auto wrong = [&](const Spec& what) {
      problem(what.where, fmt::format("'scores' must be a list of scores as the summary of a run has them, scores = [\"kmeans.acc\"], found {}",
                                      what.value().to_json()));
    };
    if (!found->is_array()) return wrong(*found);
    for (const Spec& one : found->array) {
      if (!one.is_string() || one.string().find('.') == std::string::npos) {
        wrong(one);
      } else if (std::find(out.columns.begin(), out.columns.end(), one.string()) != out.columns.end()) {
        problem(one.where, fmt::format("'{}' stands twice in 'scores': take one out", one.string()));
      } else {
        out.columns.push_back(one.string());
        out.column_where.push_back(one.where);
      }
    }
  }

  void read_statistics(const Spec& sweep, Sweep& out) {
    const Spec* found = sweep.find("statistics");
    if (found == nullptr) return;
    if (!found->is_array())
      problem(found->where, fmt::format("'statistics' must be a list of {}, found {}", quoted_list(statistics_names()), found->value().to_json()));
    for (const Spec& one : found->array)
      if (!one.is_string() || !out.statistics.add(one.string()))
        problem(one.where, fmt::format("'statistics' are {}, found {}{}", quoted_list(statistics_names()), one.value().to_json(),
                                       one.is_string() ? did_you_mean(one.string(), statistics_names()) : std::string()));
  }

  EarlyStop stop_of(const Spec& sweep) {
    EarlyStop out;
    const Spec* found = sweep.find("stop");
    if (found == nullptr) return out;
    if (!found->is_table()) {
      problem(found->where,
              fmt::format("'stop' must be a table, {{ rule = \"median\", stage = \"NAME\", score = \"loss\", goal = \"least\" }}, found {}",
                          found->value().to_json()));
      return out;
    }
    known_keys(*found, {"rule", "stage", "score", "goal", "grace", "factor"}, "key");
    out.rule = choice(*found, "rule", {"median", "halving"}) == "median" ? EarlyStop::Rule::median : EarlyStop::Rule::halving;
    for (const auto& [key, to] : {std::make_pair("stage", &out.stage), std::make_pair("score", &out.score)}) {
      *to = text_of(*found, key).value_or("");
      (to == &out.stage ? out.stage_where : out.score_where) = found->find(key) != nullptr ? found->find(key)->where : found->where;
      if (found->find(key) == nullptr)
        problem(found->where,
                fmt::format("'stop' needs '{}': the stage whose epochs are watched, and a number that it reports with each (metrics.jsonl)", key));
    }
    out.largest = choice(*found, "goal", {"least", "most"}) == "most";
    out.grace = integer_of(*found, "grace", 1, 1, 1000000);
    if (const Spec* factor = found->find("factor")) {
      if (!factor->scalar.is_number() || !(factor->scalar.as_real() >= 1.5) || !(factor->scalar.as_real() <= 100))
        problem(factor->where, fmt::format("'factor' must be a number from 1.5 to 100, found {}", factor->value().to_json()));
      else if (out.rule != EarlyStop::Rule::halving)
        problem(factor->key_where, "'factor' goes with rule = \"halving\": set that, or leave it out");
      else
        out.factor = factor->scalar.as_real();
    }
    return out;
  }

  static bool is_range(const Spec& spec) { return spec.is_table() && spec.find("from") != nullptr; }

  /// Changes to a pipeline, keys dotted or in quotes. An inline table is one value: a part with its plugin, a range of an axis.
  void flatten(const Spec& table, const std::string& before, std::vector<Override>& out, bool ranges) {
    for (const auto& [name, entry] : table.table) {
      const std::string key = before.empty() ? name : before + "." + name;
      if (before.empty() && key.substr(0, 9) != "pipeline." && key.substr(0, 6) != "stage." &&
          !((key == "pipeline" || key == "stage") && entry.is_table())) {
        const std::string word = key.substr(0, key.find('.'));
        problem(entry.key_where,
                fmt::format("'{}' is no key of a pipeline: keys begin with pipeline. or stage.{}", key, did_you_mean(word, {"pipeline", "stage"})));
        continue;
      }
      if (entry.is_table() && !entry.is_inline && !(ranges && is_range(entry))) {
        flatten(entry, key, out, ranges);
        continue;
      }
      const auto same = std::find_if(out.begin(), out.end(), [&](const Override& o) { return o.key == key; });
      if (same != out.end()) problem(entry.key_where, fmt::format("'{}' is stated twice, here and in line {}", key, same->value.key_where.line));
      out.push_back({key, entry});
    }
  }

  std::vector<Axis> axes_of(const Spec& root) {
    std::vector<Axis> out;
    const Spec* table = table_of(root, "axes");
    if (table == nullptr) return out;
    std::vector<Override> entries;
    flatten(*table, "", entries, true);
    for (const Override& entry : entries) {
      Axis axis;
      axis.key = entry.key;
      axis.where = entry.value.key_where;
      if (entry.key == "pipeline.seed")
        problem(axis.where, "seeds are no axis, but what a row's spread is taken over: write seeds = [0, 1, 2] in [sweep]");
      if (is_range(entry.value)) {
        range(entry.value, axis);
      } else if (entry.value.is_array() && !entry.value.array.empty()) {
        axis.values = entry.value.array;
        if (mode_ != "zip") check_repeated(axis);  // side by side, the points count
      } else {
        problem(entry.value.where, fmt::format("an axis must be a list, [0.1, 0.2], or a range, {{ from = 1, to = 9, step = 2 }}, found {}",
                                               entry.value.value().to_json()));
      }
      out.push_back(std::move(axis));
    }
    if (mode_ == "zip")
      for (const Axis& axis : out)
        if (axis.values.size() != out.front().values.size() && problems_.empty())
          problem(axis.where, fmt::format("with mode = \"zip\" all axes have as many values: {} here, {} in '{}'", axis.values.size(),
                                          out.front().values.size(), out.front().key));
    return out;
  }

  /// Equal values would be one run twice, taken for a repetition of it.
  void check_repeated(const Axis& axis) {
    const std::optional<std::size_t> again = first_repeated(axis.values);
    if (!again) return;
    const Spec& value = axis.values[*again];
    problem(value.where, axis.is_range
                             ? fmt::format("values of this range are equal to twelve digits, such as {}: set fewer 'points', or a wider range",
                                           value.value().to_json())
                             : fmt::format("{} stands twice on the axis '{}', and the same run twice is no repetition: take one out; "
                                           "repetitions are seeds = [0, 1, 2] in [sweep]",
                                           value.value().to_json(), axis.key));
  }

  void range(const Spec& spec, Axis& axis) {
    constexpr double kExact = 9007199254740992.0;  // 2^53: reals have every integer up to here
    const std::size_t before = problems_.size();
    axis.is_range = true;
    axis.range_where = spec.where;
    known_keys(spec, {"from", "to", "step", "points", "scale"}, "key");
    const auto number = [&](const char* key) {
      const Spec* found = spec.find(key);
      if (found == nullptr) return std::numeric_limits<double>::quiet_NaN();
      if (!found->scalar.is_number() || !std::isfinite(found->scalar.as_real()))
        problem(found->where, fmt::format("'{}' must be a number, found {}", key, found->value().to_json()));
      return found->scalar.is_number() ? found->scalar.as_real() : 0.0;
    };
    axis.from = number("from");
    axis.to = number("to");
    axis.logarithmic = choice(spec, "scale", {"linear", "log"}) == "log";
    axis.integral = spec.find("from")->scalar.is_integer() && spec.find("to") != nullptr && spec.find("to")->scalar.is_integer();
    if (problems_.size() > before) return;
    if (!(axis.to > axis.from)) {
      problem(spec.where, "a range goes from a smaller number to a larger one: { from = 1, to = 9 }");
      return;
    }
    if (axis.integral && (axis.from < -kExact || axis.to > kExact)) {
      problem(spec.where, "the integers of a range lie between -2^53 and 2^53: write larger ones as a list");
      return;
    }
    if (axis.logarithmic && axis.from <= 0) {
      problem(spec.find("from")->where, "on a logarithmic scale numbers are larger than 0");
      return;
    }
    const Spec *step = spec.find("step"), *points = spec.find("points");
    if (mode_ == "random") {
      for (const Spec* given : {step, points})
        if (given != nullptr)
          problem(given->key_where, "with mode = \"random\" values are drawn from the whole range: leave out 'step' and 'points'");
      axis.drawn = true;
      return;
    }
    if ((step == nullptr) == (points == nullptr)) {
      problem(spec.where,
              "a range needs 'step' or 'points': { from = 1, to = 9, step = 2 } or { from = 1e-4, to = 1e-2, points = 3, scale = \"log\" }");
      return;
    }
    if (step != nullptr) {
      const double by = number("step");
      if (problems_.size() > before) return;
      if (axis.logarithmic || !(by > 0) || (axis.to - axis.from) / by > 10000) {
        problem(step->where, "'step' must be larger than 0 and make at most 10000 values, on a linear scale; on a logarithmic one set 'points'");
        return;
      }
      axis.integral = axis.integral && step->scalar.is_integer();
      // A last value that rounding keeps from the end is meant.
      const auto count = static_cast<std::int64_t>(std::floor((axis.to - axis.from) / by + 1e-9)) + 1;
      for (std::int64_t i = 0; i < count; ++i) axis.values.push_back(value_at(axis, axis.from + static_cast<double>(i) * by));
      check_repeated(axis);
      return;
    }
    const std::int64_t count = integer_of(spec, "points", 2, 2, 10000);
    axis.integral = false;
    for (std::int64_t i = 0; i < count; ++i)
      axis.values.push_back(value_at(axis, between(axis, static_cast<double>(i) / static_cast<double>(count - 1))));
    check_repeated(axis);
  }

  std::vector<Variant> variants_of(const Spec& root, const Location& where) {
    std::vector<Variant> out;
    const Spec* table = table_of(root, "variants");
    if (table != nullptr && table->table.empty()) problem(table->where, "[variants] is empty: name one, [variants.NAME], or leave it out");
    if (table != nullptr) {
      for (const auto& [name, entry] : table->table) {
        if (!entry.is_table()) {
          problem(entry.key_where, fmt::format("a variant must be a table, [variants.{}]", name));
          continue;
        }
        Variant one;
        one.name = name;
        one.where = entry.key_where;
        one.title = text_of(entry, "title").value_or(name);
        one.pipeline = text_of(entry, "base");
        if (one.pipeline) one.base_where = entry.find("base")->where;
        for (const Variant& other : out)
          if (other.title == one.title)
            problem(entry.find("title") != nullptr ? entry.find("title")->where : entry.key_where,
                    fmt::format("the variants '{}' and '{}' are both called '{}' in tables: give one another title", other.name, name, one.title));
        Spec changes = entry;
        changes.table.erase(
            std::remove_if(changes.table.begin(), changes.table.end(), [](const auto& e) { return e.first == "title" || e.first == "base"; }),
            changes.table.end());
        flatten(changes, "", one.changes, false);
        out.push_back(std::move(one));
      }
    }
    const bool all = !out.empty() && std::all_of(out.begin(), out.end(), [](const Variant& v) { return v.pipeline.has_value(); });
    if (!base_ && !all && problems_.empty()) problem(where, "the sweep names no pipeline: set base = \"FILE.toml\", relative to this file");
    return out;
  }

  /// A value that another one always replaces says something that is not so.
  void check_overridden(const std::vector<Override>& common, const std::vector<Variant>& variants, const std::vector<Axis>& axes, const Spec* seeds) {
    const auto check = [&](const std::vector<Override>& changes, const std::string& by) {
      for (const Override& change : changes) {
        for (const Axis& axis : axes)
          if (sets(change, axis.key))
            problem(change.value.key_where,
                    fmt::format("{} sets '{}', which is an axis (line {}), and the axis would replace this: take it out here or there", by, axis.key,
                                axis.where.line));
        if (seeds != nullptr && sets(change, "pipeline.seed"))
          problem(change.value.key_where,
                  fmt::format("{} sets the seed, and 'seeds' (line {}) would replace it: take it out here or there", by, seeds->key_where.line));
      }
    };
    check(common, "[set]");
    for (const Variant& variant : variants) check(variant.changes, fmt::format("the variant '{}'", variant.name));
    check_axes(axes, problems_);
  }

  std::vector<std::vector<Spec>> points_of(const Spec& sweep, const std::vector<Axis>& axes, std::int64_t samples, std::int64_t sample_seed,
                                           std::size_t times) {
    double count = 1;
    if (mode_ == "grid")
      for (const Axis& axis : axes) count *= static_cast<double>(axis.values.size());
    else if (!axes.empty())
      count = mode_ == "zip" ? static_cast<double>(axes.front().values.size()) : static_cast<double>(samples);
    if (count * static_cast<double>(times) > kMostCells) {
      problem(axes.empty() ? sweep.where : axes.front().where,
              fmt::format("this makes {:.0f} runs; {} are the most: use mode = \"random\", or fewer values", count * static_cast<double>(times),
                          kMostCells));
      return {};
    }
    if (mode_ == "grid") return grid_points(axes);
    if (mode_ == "random") return random_points(axes, samples, sample_seed, sweep.find("samples")->where, problems_);
    return zipped_points(axes, problems_);
  }

  SweepCell cell(const Variant& variant, const std::vector<Axis>& axes, const std::vector<Spec>& point, std::int64_t seed, const Spec& sweep,
                 const std::vector<Override>& common) {
    SweepCell out;
    out.variant = variant.name;
    out.title = variant.title;
    out.where = out.variant.empty() ? sweep.where : variant.where;
    out.pipeline = file_.parent_path() / (variant.pipeline ? *variant.pipeline : *base_);
    out.pipeline_where = variant.pipeline ? variant.base_where : sweep.find("base")->where;
    out.seed = seed;
    out.changes = common;
    out.changes.insert(out.changes.end(), variant.changes.begin(), variant.changes.end());
    std::string name = variant.name;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      Spec value = point[a];
      value.key_where = axes[a].where;
      out.point.emplace_back(axes[a].key, value.value());
      name += fmt::format("{}{}={}", name.empty() ? "" : ",", axes[a].key.substr(axes[a].key.rfind('.') + 1), shown(value.value()));
      out.changes.push_back({axes[a].key, std::move(value)});
    }
    if (seed >= 0) {
      Spec value;
      const std::vector<Spec>& seeds = sweep.find("seeds")->array;
      value.where = value.key_where = std::find_if(seeds.begin(), seeds.end(), [&](const Spec& one) { return one.scalar == Value(seed); })->where;
      value.scalar = Value(seed);
      value.type = Value::Type::integer;
      out.changes.push_back({"pipeline.seed", std::move(value)});
      name += fmt::format("{}seed={}", name.empty() ? "" : ",", seed);
    }
    // By the pipeline's place beside this file: the same cell from whatever folder the sweep is called.
    std::string all = variant.pipeline ? *variant.pipeline : *base_;
    for (const Override& change : out.changes) all += "\n" + change.key + "=" + change.value.value().to_json();
    for (char& c : name)
      if (!(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '=' || c == ',' || c == '.' || c == '_' || c == '-')) c = '_';
    if (name[0] == '.') name[0] = '_';
    out.id = name.substr(0, 100) + "-" + hash_text(variant.name + "\n" + all).substr(0, 8);
    return out;
  }

  fs::path file_;
  std::vector<Diagnostic>& problems_;
  std::optional<std::string> base_;
  std::string mode_ = "grid";
};

}  // namespace

Sweep read_sweep_text(const std::string& text, const fs::path& file) {
  std::vector<Diagnostic> problems;
  Sweep out;
  if (const std::optional<Spec> root = detail::parse_toml(text, file.string(), problems, Location::kSweep)) out = Reader(file, problems).read(*root);
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return out;
}

Sweep read_sweep(const fs::path& file) {
  const TextFile read = read_text(file, /*pipes=*/true);
  if (!read.problem.empty()) throw ConfigError({{{file.string(), 1, 1, Location::kSweep}, "the sweep's file " + read.problem}});
  return read_sweep_text(read.text, file);
}

std::string shown(const Value& value) { return value.is_string() ? value.as_string() : value.to_json(); }

}  // namespace cdc
