-- Which bytes reach the disk, and when: after a loss of power each file that the command
-- writes is the old or the new one, whole. spec/command/disk.c logs the system calls of
-- the command.

local harness = require "spec.command.harness"

describe("the command", function()
  local run

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function() run:clear() end)

  -- The calls on files of this folder, as { what, path }.
  local function logged()
    local steps = {}
    for line in (run.folder:read "tmp/log" or ""):gmatch "[^\n]+" do
      local what, path = line:match "^(%l+) (.*)$"
      if path:find(run.folder.path, 1, true) == 1 then steps[#steps + 1] = { what, path } end
    end
    run.folder:run "rm -f tmp/log"
    return steps
  end

  local function folder_of(path) return path:match "^(.*)/" end

  -- Each file was synced after its last write and before its rename; none was synced
  -- between the first rename of a batch and the sync of the last folder. -> the number of
  -- renames, of the largest batch
  local function assert_durable(steps)
    local clean, open, renames, batch, largest = {}, {}, 0, 0, 0
    for _, step in ipairs(steps) do
      local what, path = step[1], step[2]
      if what == "write" then
        clean[path] = false
      elseif what == "rename" then
        assert.is_true(clean[path], path .. " was renamed before it was on the disk")
        open[folder_of(path)], renames, batch = true, renames + 1, batch + 1
      elseif open[path] then
        open[path], largest = nil, math.max(largest, batch)
        if not next(open) then batch = 0 end
      else
        assert.is_nil(next(open), path .. " was synced between two renames")
        clean[path] = clean[path] == false
      end
    end
    assert.is_nil(next(open), "the last rename was not followed by a sync of the folder")
    return renames, largest
  end

  local function renames_of(code, words)
    assert.equal(code, (run:shell(words, run:on_disk { DISK_LOG = run.folder.path .. "/tmp/log" })), words)
    return assert_durable(logged())
  end

  it("has a file on the disk before it takes the place of another", function()
    run:write_session "s.json"
    run:write_session("bare.json", true)
    assert.equal(1, (renames_of(0, "grid refresh s.json")))
    assert.equal(2, (renames_of(0, "grid refresh bare.json --new-key")))
    assert.equal(1, (renames_of(0, "grid keygen --out pair")))
    assert.equal(1, (renames_of(0, "grid keygen --out pair --force")))
    run.server:fault { kind = "trailing", execute = true }
    assert.equal(1, (renames_of(1, "grid refresh s.json")))
    assert.matches("grid%-rescue", run.folder:list "tmp")
  end)

  for _, more in ipairs { "", "--force" } do
    it("has the session of a log-in on the disk before it is in place " .. more, function()
      run.folder:write("s.json", "old")
      if more == "" then run.folder:run "rm s.json" end
      local code = run:login("s.json", more, run:on_disk { DISK_LOG = run.folder.path .. "/tmp/log" })
      assert.equal(0, code)
      assert.equal(1, (assert_durable(logged())))
    end)
  end

  it("syncs up to 64 sessions of a folder before it renames them", function()
    run.folder:run "mkdir all other"
    for i = 1, 70 do run:write_session(("all/%02d.json"):format(i)) end
    run.folder:run "mv all/70.json other && ln -s ../other/70.json all"
    local renames, largest = renames_of(0, "grid refresh-all all")
    assert.equal(70, renames)
    assert.is_true(largest <= 64)
  end)
end)
