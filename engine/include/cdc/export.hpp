#pragma once

// Everything in this project is compiled with hidden visibility; what libcdc offers to plugins and programs is marked.
#define CDC_API __attribute__((visibility("default")))
