-- spec/support/suite: its counts of a run, and the files that a run leaves.

local child = require "spec.support.child"

describe("spec/support/suite", function()
  local folder

  before_each(function()
    folder = child.folder()
    folder:run "mkdir temporary"
  end)
  after_each(function() folder:remove() end)

  local function run_suite(kind, script)
    folder:write("run", script)
    local code = folder:run(("%s %s name sh run"):format(child.path "spec/support/suite", kind),
      { RESULTS = folder.path .. "/results", TMPDIR = folder.path .. "/temporary" })
    return code, (folder:read "results/name.count":match "^%d+ %d+")
  end

  it("adds up what a run tells of its tests", function()
    assert.same({ 0, "5 0" }, { run_suite("tests", "echo 3 passed, 0 failed; echo 2 passed, 0 failed") })
    assert.same({ 1, "3 1" }, { run_suite("tests", "echo 3 passed, 1 failed") })
    local busted = "echo '%d successes / %d failures / 0 errors / %d pending : 1.0 seconds';"
    assert.same({ 0, "3 0" }, { run_suite("tests", busted:format(3, 0, 0) .. busted:format(0, 0, 2)) })
    assert.same({ 1, "3 1" }, { run_suite("tests", busted:format(3, 0, 0) .. busted:format(0, 0, 0)) })
  end)

  it("counts a run without a test, and one that ends with a failure, as failed", function()
    assert.same({ 1, "0 1" }, { run_suite("tests", "true") })
    assert.same({ 1, "3 1" }, { run_suite("tests", "echo 3 passed, 0 failed; exit 1") })
    assert.same({ 1, "0 1" }, { run_suite("check", "echo 3 passed, 0 failed; exit 1") })
  end)

  it("ends with what failed, and the total", function()
    run_suite("tests", "echo 'Failure -> a_spec.lua @ 7'; echo it adds; echo 'expected 2'; echo 3 passed, 1 failed")
    local _, shown = folder:run(child.path "spec/support/suite" .. " sum name",
      { RESULTS = folder.path .. "/results" })
    assert.matches("\nfailed in name:\nFailure %-> a_spec.lua @ 7\nit adds\n\n3 passed, 1 failed\n$", shown)
  end)

  for what, ending in pairs { passes = "exit 0", fails = "exit 1", ["is killed"] = "kill -KILL $$" } do
    it("removes the temporary files of a run that " .. what, function()
      run_suite("tests", 'touch "$(mktemp -d)/file"; ls -A "$TMPDIR" >left; echo 1 passed, 0 failed; ' .. ending)
      assert.matches("^tmp%.", folder:read "left")
      assert.equal("", folder:list "temporary")
    end)
  end
end)
