// One library a definition: each is wrong in one way.
#include <cstdlib>
#include <stdexcept>

#include "cdc/artifact.hpp"
#include "cdc/stage.hpp"

namespace {

/// Tells the test that code of this library ran.
[[maybe_unused]] __attribute__((constructor)) void tell() { setenv("CDC_TEST_BAD_PLUGIN_RAN", "1", 1); }

struct Bad : cdc::Stage {
  int first = 1, second = 2;
  void run(cdc::StageContext&) override {}
};

#if defined(BAD_NO_PLUGIN)
#elif defined(BAD_NO_ENTRIES)
__attribute__((section(".cdc_abi"), used)) const cdc::AbiTag kTag = cdc::kThisAbi;
#else
struct Wrong final : Bad {
  static void describe(cdc::Schema<Wrong>& s) {
    s.summary("Wrong.");
#if defined(BAD_THROWS)
    throw std::runtime_error("no word on me");
#elif defined(BAD_THROWS_NUMBER)
    throw 7;
#elif defined(BAD_PARAMETER_TWICE)
    s.param(&Wrong::first, "same", "One");
    s.param(&Wrong::second, "same", "Other");
#elif defined(BAD_RESERVED)
    s.param(&Wrong::first, "in", "No name for a parameter");
#elif defined(BAD_DEFAULT)
    s.param(&Wrong::first, "first", "Out of range by itself").range(2, 3);
#elif defined(BAD_PORT_TWICE)
    s.input(cdc::In<cdc::Features>{"same", "One"}).input(cdc::In<cdc::Assignment>{"same", "Other"});
#elif defined(BAD_PORT_KIND)
    s.input(cdc::In<cdc::Images>{"images", "Tensors do not travel between stages"});
#endif
  }
};
#endif
}  // namespace

#if defined(BAD_NO_PLUGIN) || defined(BAD_NO_ENTRIES)
#elif defined(BAD_ID)
CDC_PLUGIN(Wrong, "Wrong")
#elif defined(BAD_DUPLICATE)
CDC_PLUGIN(Wrong, "dataset.test")
#elif defined(BAD_TWICE)
CDC_PLUGIN(Wrong, "bad.twice")
CDC_PLUGIN(Wrong, "bad.twice")
#elif defined(BAD_SYMBOL)
void nobody_has_this();
namespace {
struct Lacking final : Bad {
  static void describe(cdc::Schema<Lacking>&) { nobody_has_this(); }
};
}  // namespace
CDC_PLUGIN(Lacking, "bad.lacking")
#else
CDC_PLUGIN(Wrong, "bad.wrong")
#endif
