"""What units are called, one and several, and what amounts are written like."""

from __future__ import annotations

from voicegen.text.english.rules import alternatives

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
DASH = r"\s?[-–—]\s?"
SCALES = {
    "k": "thousand", "K": "thousand", "M": "million", "m": "million", "mn": "million", "mm": "million",
    "MM": "million", "B": "billion", "b": "billion", "bn": "billion", "Bn": "billion", "T": "trillion",
    "t": "trillion", "tn": "trillion", "thousand": "thousand", "million": "million", "billion": "billion",
    "trillion": "trillion",
}  # fmt: skip
UNITS = {
    "mm": "millimeter", "cm": "centimeter", "km": "kilometer", "nm": "nanometer", "µm": "micrometer",
    "μm": "micrometer", "m": "meter", "mmHg": "millimeter of mercury", "mpg": "mile per gallon", "mg": "milligram",
    "kg": "kilogram", "µg": "microgram", "μg": "microgram", "mcg": "microgram", "g": "gram", "ml": "milliliter",
    "mL": "milliliter", "cl": "centiliter", "dl": "deciliter", "L": "liter", "l": "liter", "oz": "ounce",
    "lb": "pound", "lbs": "pound", "mi": "mile", "yd": "yard", "yds": "yard", "gal": "gallon", "qt": "quart",
    "pt": "pint", "tbsp": "tablespoon", "tsp": "teaspoon", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "THz": "terahertz", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt",
    "TW": "terawatt", "mW": "milliwatt", "Wh": "watt hour", "kWh": "kilowatt hour", "MWh": "megawatt hour",
    "GWh": "gigawatt hour", "TWh": "terawatt hour", "mAh": "milliamp hour", "Ah": "amp hour", "V": "volt",
    "kV": "kilovolt", "mV": "millivolt", "A": "amp", "mA": "milliamp", "Ω": "ohm", "kΩ": "kilohm", "MΩ": "megaohm",
    "J": "joule", "kJ": "kilojoule", "MJ": "megajoule", "eV": "electronvolt", "keV": "kiloelectronvolt",
    "MeV": "megaelectronvolt", "GeV": "gigaelectronvolt", "TeV": "teraelectronvolt", "kcal": "kilocalorie",
    "cal": "calorie", "N": "newton", "kN": "kilonewton", "N·m": "newton meter", "N⋅m": "newton meter",
    "Nm": "newton meter", "Pa": "pascal", "hPa": "hectopascal", "kPa": "kilopascal",
    "MPa": "megapascal", "GPa": "gigapascal", "bar": "bar", "mbar": "millibar", "psi": "PSI", "atm": "atmosphere",
    "mol": "mole", "mmol": "millimole", "dB": "decibel", "K": "kelvin", "s": "second", "sec": "second",
    "secs": "second", "ms": "millisecond", "µs": "microsecond", "μs": "microsecond", "ns": "nanosecond", "h": "hour",
    "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "yr": "year", "yrs": "year", "wk": "week",
    "wks": "week", "mph": "mile per hour", "kph": "kilometer per hour", "km/h": "kilometer per hour",
    "kmh": "kilometer per hour", "m/s": "meter per second", "km/s": "kilometer per second", "ft/s": "foot per second",
    "mi/h": "mile per hour", "m/s²": "meter per second squared", "m/s^2": "meter per second squared",
    "m/s2": "meter per second squared", "g/mol": "gram per mole", "kJ/mol": "kilojoule per mole",
    "mol/L": "mole per liter", "mmol/L": "millimole per liter",
    "g/L": "gram per liter", "mg/L": "milligram per liter", "mg/dL": "milligram per deciliter",
    "mg/kg": "milligram per kilogram", "g/cm³": "gram per cubic centimeter", "g/cm^3": "gram per cubic centimeter",
    "g/cm3": "gram per cubic centimeter", "kg/m³": "kilogram per cubic meter", "kg/m^3": "kilogram per cubic meter",
    "kg/m3": "kilogram per cubic meter", "W/m²": "watt per square meter", "km²": "square kilometer",
    "km2": "square kilometer", "km^2": "square kilometer", "m²": "square meter", "m2": "square meter",
    "m^2": "square meter", "cm²": "square centimeter", "cm2": "square centimeter", "cm^2": "square centimeter",
    "mm²": "square millimeter", "mm^2": "square millimeter", "m³": "cubic meter", "m3": "cubic meter",
    "m^3": "cubic meter", "cm³": "cubic centimeter", "cm3": "cubic centimeter", "cm^3": "cubic centimeter",
    "km³": "cubic kilometer", "sq ft": "square foot", "sq. ft.": "square foot", "sq mi": "square mile",
    "sq km": "square kilometer", "sq m": "square meter", "ft²": "square foot", "ft^2": "square foot",
    "ft³": "cubic foot", "cu ft": "cubic foot", "mi²": "square mile", "ft": "foot", "bit": "bit", "KB": "kilobyte",
    "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte", "EB": "exabyte",
    "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte", "TiB": "tebibyte", "kb": "kilobit", "Mb": "megabit",
    "Gb": "gigabit", "kbps": "kilobit per second", "Kbps": "kilobit per second", "Mbps": "megabit per second",
    "Gbps": "gigabit per second", "mbps": "megabit per second",
    "gbps": "gigabit per second", "kgs": "kilogram", "KG": "kilogram", "Kg": "kilogram", "KM": "kilometer",
    "kms": "kilometer", "mo": "month", "mos": "month", "MB/s": "megabyte per second", "GB/s": "gigabyte per second",
    "TB/s": "terabyte per second", "Mbit/s": "megabit per second", "Gbit/s": "gigabit per second",
    "fps": "frame per second", "rpm": "revolution per minute", "RPM": "revolution per minute",
    "bpm": "beat per minute", "ppm": "part per million", "ppb": "part per billion", "ly": "light-year",
    "AU": "astronomical unit", "pc": "parsec", "kpc": "kiloparsec", "Mpc": "megaparsec", "px": "pixel",
    "MP": "megapixel", "dpi": "dot per inch", "ha": "hectare", "hp": "horsepower", "cc": "cubic centimeter",
    "acre": "acre", "tok/s": "token per second", "FLOPS": "FLOPS", "TFLOPS": "teraflops", "GFLOPS": "gigaflops",
    "lm": "lumen", "cd": "candela", "lx": "lux", "T": "tesla", "F": "farad", "µF": "microfarad", "rad": "radian",
    "°C": "degree Celsius", "℃": "degree Celsius", "°F": "degree Fahrenheit", "℉": "degree Fahrenheit",
    "° C": "degree Celsius", "° F": "degree Fahrenheit", "ºC": "degree Celsius", "ºF": "degree Fahrenheit",
    "°": "degree", "º": "degree",
}  # fmt: skip
UNIT = rf"(?:{alternatives(UNITS)})(?![\w²³^/°])"
_SAME = {"hertz", "kilohertz", "megahertz", "gigahertz", "terahertz", "kelvin", "PSI", "horsepower", "FLOPS",
         "teraflops", "gigaflops", "lux"}  # fmt: skip
PER = {
    "mo": "month", "month": "month", "yr": "year", "year": "year", "day": "day", "hr": "hour", "h": "hour",
    "hour": "hour", "week": "week", "wk": "week", "kg": "kilogram", "lb": "pound", "person": "person", "user": "user",
    "night": "night", "GB": "gigabyte", "min": "minute", "minute": "minute", "s": "second", "sec": "second",
    "m": "meter", "unit": "unit", "share": "share", "item": "item", "m²": "square meter", "m2": "square meter",
}  # fmt: skip


def units(written: str) -> str:
    """Several of a unit, by its abbreviation."""
    return several(UNITS[written])


def several(unit: str) -> str:
    """Several of a unit, by its name."""
    first, each, rest = unit.partition(" per ")
    if first in _SAME:
        return unit
    if first.startswith("degree"):
        first = first.replace("degree", "degrees")
    elif first.endswith("foot"):
        first = first[:-4] + "feet"
    elif first.endswith("inch"):
        first += "es"
    elif " of " in first:
        first = first.replace(" of ", "s of ")
    else:
        first += "s"
    return first + each + rest


def per(unit: str | None) -> str:
    """What follows an amount that is meant for each `unit`; "" without one."""
    return f" per {PER[unit]}" if unit else ""
