-- The specs in a clone, and with a TMPDIR, whose names a shell would take apart.

local child = require "spec.support.child"

local SPECS = "spec/command/durable_spec.lua spec/core/folder_spec.lua spec/setup_spec.lua"

describe("the specs", function()
  it("run in a folder, and leave their files in another one, whose names hold blanks and quotes", function()
    local folder = child.folder()
    folder:run(("mkdir \"it's tmp\" && ln -s %s \"it's a clone\""):format(child.quote(child.root)))
    local code, out = folder:run(([[
      export TMPDIR="$PWD/it's tmp"
      cd "it's a clone" &&
        exec env %s "$(command -v busted)" --pattern=_spec%%.lua$ --exclude-tags=slow %s]]):format(child.vm, SPECS))
    local left = folder:list "it's tmp"
    folder:remove()
    assert.equal(0, code, out)
    assert.equal("", left)
  end)
end)
