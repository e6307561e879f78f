"""Looks up the installed packages among known weaknesses (pip-audit).

Fails when there is one. That nobody could be asked, because there is no network or an index that knows no advisories,
is said plainly and is no failure: it is nothing that a change of the code could mend.
"""

import json
import subprocess
import sys

COMMAND = ("-m", "pip_audit", "--skip-editable", "--format", "json", "--progress-spinner", "off", "--timeout", "10")
LONGEST = 120


def main() -> int:
    """The exit code."""
    try:
        ran = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, timeout=LONGEST, check=False)
        failed, said = verdict(ran.stdout, (ran.stderr.strip() or "no answer").splitlines()[-1])
    except subprocess.TimeoutExpired:
        failed, said = False, f"NOT AUDITED: no answer within {LONGEST} s."
    sys.stdout.write(f"pip-audit: {said}\n")
    return int(failed)


def verdict(report: str, complaint: str) -> tuple[bool, str]:
    """Whether the report (JSON) names a weakness, and what to say; ``complaint`` is what was said instead of one."""
    try:
        packages = json.loads(report)["dependencies"]
    except ValueError:
        return False, f"NOT AUDITED: the advisories cannot be reached: {complaint}"
    audited = [package for package in packages if "vulns" in package]
    weak = [
        f"  {package['name']} {package['version']}: {_named(package['vulns'])}"
        for package in audited
        if package["vulns"]
    ]
    if weak:
        return True, "known weaknesses:\n" + "\n".join(weak)
    if not audited:
        return False, f"NOT AUDITED: the index that answers knows advisories of none of the {len(packages)} packages."
    return False, f"{len(audited)} of {len(packages)} packages audited, no weakness is known."


def _named(weaknesses: list[dict[str, list[str] | str]]) -> str:
    return ", ".join(f"{one['id']} (mended in {', '.join(one['fix_versions']) or 'none yet'})" for one in weaknesses)


if __name__ == "__main__":
    sys.exit(main())
