// What a plugin's author put into a library of its own.
extern "C" __attribute__((visibility("default"))) int cdc_test_helper() { return CDC_TEST_HELPER; }
