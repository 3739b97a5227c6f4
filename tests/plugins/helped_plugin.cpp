// A plugin whose arithmetic is in another library of its author's.
#include "cdc/stage.hpp"

extern "C" int cdc_test_helper();

namespace {

struct Helped final : cdc::Stage {
  static void describe(cdc::Schema<Helped>& s) { s.summary("Is helped."); }
  void run(cdc::StageContext& context) override { context.summary("helper", cdc_test_helper()); }
};

}  // namespace

CDC_PLUGIN(Helped, "test.helped")
