"""The parts of a report, of one run as of a comparison: tables, pictures, and how they are written."""
