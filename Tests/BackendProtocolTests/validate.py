"""Holds samples of the border's JSON against its schema.

    validate.py SCHEMA SAMPLES      SAMPLES has lines of: definition, tab, JSON
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator

schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
Draft202012Validator.check_schema(schema)
count = 0
for line in pathlib.Path(sys.argv[2]).read_text().split("\n"):
    name, _, text = line.partition("\t")
    sample = json.loads(text)
    validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
    for error in validator.iter_errors(sample):
        sys.exit(f"{name}: {error.json_path}: {error.message[:300]}\n{text[:1000]}")
    # A definition that takes everything would make this test worthless: without one of its required members no sample fits.
    for member in schema["$defs"][name].get("required", []):
        if validator.is_valid({key: value for key, value in sample.items() if key != member}):
            sys.exit(f"{name} fits without {member}, which is required")
    count += 1
print(f"{count} samples fit, and spoilt ones do not")
