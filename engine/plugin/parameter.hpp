#pragma once

#include <string>

#include "cdc/component.hpp"

namespace cdc {

/// What is wrong with a value for a parameter, as a sentence's end with the remedy ("must be at least 1, found 0"); empty where it fits. A
/// component's value is a table with "plugin"; its own parameters are not looked at.
CDC_API std::string parameter_problem(const ParameterInfo& parameter, const Value& value);

/// What to write in place of a value of another type than the parameter's, where that can be told: "; write it in quotes, root = \"2024\"". Part of
/// what parameter_problem() says.
std::string parameter_remedy(const ParameterInfo& parameter, const Value& value);

/// A value as messages show it: JSON, cut where it is long; "nan" and "inf" as such.
CDC_API std::string shown_value(const Value& value);

/// The value in the parameter's own type: an integer given for a real becomes one, so that 1 and 1.0 are the same setting.
CDC_API Value parameter_value(const ParameterInfo& parameter, const Value& value);

/// "1 to 5", "at least 1", "'a' or 'b'"; empty where there is no limit.
CDC_API std::string parameter_limits(const ParameterInfo& parameter);

}  // namespace cdc
