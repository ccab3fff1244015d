-- spec/support/setup on an invented release: the packages that it requests from apt.
-- Stubs replace dpkg-query, apt and sudo, so that nothing is installed.

local assert = require "luassert"
local child = require "spec.support.child"

local STUBS = {
  id = "echo 1000",
  ["dpkg-query"] = ":",
  -- As apt does, `show` succeeds for a name that only other packages mention; `policy`
  -- knows it without a candidate.
  ["apt-cache"] = [[
case $1:$2 in
show:*) exit 0 ;;
policy:luajit2 | policy:libluajit2-5.1-dev) printf '%s:\n  Installed: (none)\n  Candidate: (none)\n' "$2" ;;
policy:@ABSENT@) ;;
policy:*) printf '%s:\n  Installed: (none)\n  Candidate: 1.0-1\n' "$2" ;;
esac]],
  sudo = [[case $1 in tee) cat >/dev/null ;; env) echo "$@" >>installed; @APT@ ;; esac]],
}

describe("spec/support/setup", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  local function setup_run(goal, absent, apt)
    for name, text in pairs(STUBS) do
      text = text:gsub("@ABSENT@", absent or "none-is-absent"):gsub("@APT@", apt or "")
      folder:write(name, "#!/bin/sh\n" .. text .. "\n")
    end
    assert.equal(0, (folder:run("chmod 755 " .. table.concat({ "id", "dpkg-query", "apt-cache", "sudo" }, " ")
      .. " && ln -s sudo apt-get")))
    local code, _, stderr = folder:run('PATH="$PWD:$PATH" ' .. ("%s %s"):format(child.path "spec/support/setup", goal))
    return code, folder:read "installed" or "", stderr
  end

  it("installs of each choice the first package that has a candidate, not one that is only mentioned", function()
    local code, installed = setup_run "test"
    assert.equal(0, code)
    assert.is_truthy(installed:find(" luajit ", 1, true), installed)
    assert.is_truthy(installed:find(" libluajit-5.1-dev ", 1, true), installed)
    assert.is_nil(installed:find("luajit2", 1, true), installed)
  end)

  it("removes no package to install another one, and says what to do", function()
    local code, installed, stderr = setup_run("run", nil, "exit 100")
    assert.equal(1, code)
    assert.is_truthy(installed:find(" --no-remove ", 1, true), installed)
    assert.is_truthy(stderr:find("by hand it asks before it removes others: apt-get install lua5.4 ", 1, true), stderr)
  end)

  it("names a package that the release does not have, and installs nothing", function()
    local code, installed, stderr = setup_run("run", "lua-cjson")
    assert.equal(1, code)
    assert.equal("", installed)
    assert.is_truthy(stderr:find("this release has no package lua-cjson", 1, true), stderr)
  end)
end)
